//! Spaces: properties, life, and a profile opened again.

use dxos_client::{ErrorKind, SpaceLife};

use crate::{open, with_space};

#[test]
fn properties_are_one_object_with_free_fields() {
    with_space(|_, space| async move {
        let properties = space.properties();
        assert_eq!(properties.get().await.unwrap().name, None);
        properties.update(|own| own.hue = Some(200)).await.unwrap();
        properties
            .update(|own| own.name = Some("River".into()))
            .await
            .unwrap();
        properties
            .set_field("motto", Some("Flow".into()))
            .await
            .unwrap();
        let own = properties.get().await.unwrap();
        assert_eq!((own.name.as_deref(), own.hue), (Some("River"), Some(200)));
        assert_eq!(
            properties.get_field("motto").await.unwrap(),
            Some("Flow".into())
        );
        let wrong = properties
            .set_field("hue", Some("red".into()))
            .await
            .unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::Invalid);
    });
}

#[test]
fn a_space_closes_opens_and_goes() {
    let directory = tempfile::tempdir().unwrap();
    dxos_client::native::run(async {
        let client = open(directory.path()).await;
        client.halo().create_identity("Ada").await.unwrap();
        let (home, work) = (
            client.spaces().create("Home").await.unwrap(),
            client.spaces().create("Work").await.unwrap(),
        );
        home.wait_until_ready().await.unwrap();
        home.close().await.unwrap();
        assert_eq!(home.life(), Some(SpaceLife::Closed));
        assert_eq!(
            home.wait_until_ready().await.unwrap_err().kind(),
            ErrorKind::NotFound
        );
        work.delete_here().await.unwrap();
        assert_eq!(client.spaces().all().len(), 2);
        let personal = client.spaces().personal().await;
        assert_eq!(
            personal.delete_here().await.unwrap_err().kind(),
            ErrorKind::NotAllowed
        );
        let id = home.id();
        client.close().await;

        let client = open(directory.path()).await;
        client.halo().wait_for_identity().await;
        let home = client.spaces().get(id).unwrap();
        assert_eq!(
            (home.life(), home.name().as_str()),
            (Some(SpaceLife::Closed), "Home")
        );
        home.open().await.unwrap();
        home.wait_until_ready().await.unwrap();
        assert!(client.spaces().get(work.id()).is_err());
        client.close().await;
    })
    .unwrap();
}

#[test]
fn what_waits_ends_when_the_client_is_closed() {
    with_space(|client, space| async move {
        let mut lists = client.spaces().watch();
        assert_eq!(lists.next().await.unwrap().len(), 2);
        let mut views = space.watch();
        views.next().await;
        client.end();
        while lists.next().await.is_some() {}
        while views.next().await.is_some() {}
    });
}
