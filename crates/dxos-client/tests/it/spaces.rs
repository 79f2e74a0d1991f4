//! Spaces: properties, lists, the end of a client.

use dxos_client::ErrorKind;

use crate::with_space;

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
