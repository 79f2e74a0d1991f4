//! Links in memory.

use dxos_mesh::{LinkCommand, LinkEvent, LinkId};
use dxos_net::{MemoryTransport, conformance};

#[tokio::test]
async fn memory_links_conform() {
    let (mut a, mut b) = MemoryTransport::pair();
    conformance::links(&mut a, &mut b).await.unwrap();
}

#[test]
fn links_close_when_the_other_transport_is_gone() {
    let (mut a, mut b) = MemoryTransport::pair();
    let link = LinkId(1);
    a.handle(LinkCommand::Open {
        link,
        initiator: true,
    });
    b.handle(LinkCommand::Open {
        link,
        initiator: false,
    });
    let Some(LinkEvent::Signal { data, .. }) = a.try_next() else {
        panic!("no offer")
    };
    b.handle(LinkCommand::Signal { link, data });
    let Some(LinkEvent::Signal { data, .. }) = b.try_next() else {
        panic!("no answer")
    };
    a.handle(LinkCommand::Signal { link, data });
    assert_eq!(a.try_next(), Some(LinkEvent::Opened { link }));
    drop(b);
    assert!(matches!(a.try_next(), Some(LinkEvent::Closed { .. })));
    assert_eq!(a.try_next(), None);
}
