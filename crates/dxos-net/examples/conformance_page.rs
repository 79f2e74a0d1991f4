//! What a page calls to run the conformance suites in a real browser; empty on other platforms.
//!
//! Build it for `wasm32-unknown-unknown`, make its glue with wasm-bindgen, and call `rtc_conformance()` or
//! `signal_conformance(url)` from a page (the second from a worker too). Both give a promise of what was checked; it
//! is rejected with the first thing that is wrong.

#[cfg(target_arch = "wasm32")]
mod page {
    use dxos_mesh::{LinkCommand, LinkEvent, LinkId};
    use dxos_net::conformance::{self, LinkEnd};
    use dxos_net::{IceServer, RtcBridge};
    use tokio::sync::mpsc;
    use wasm_bindgen::prelude::*;

    struct BridgeEnd {
        bridge: RtcBridge,
        events: mpsc::UnboundedReceiver<LinkEvent>,
    }

    impl BridgeEnd {
        fn new() -> Self {
            let (sender, events) = mpsc::unbounded_channel();
            let bridge = RtcBridge::new(Vec::<IceServer>::new(), move |event| {
                // The suite may have ended.
                let _ = sender.send(event);
            });
            BridgeEnd { bridge, events }
        }
    }

    impl LinkEnd for BridgeEnd {
        const TRICKLES: bool = true;
        fn handle(&mut self, command: LinkCommand) {
            self.bridge.handle(command);
        }
        async fn next(&mut self) -> LinkEvent {
            self.events
                .recv()
                .await
                .expect("the bridge holds the other end")
        }
    }

    fn nonce() -> u64 {
        (js_sys::Math::random() * 2f64.powi(53)) as u64
    }

    /// Two bridges in one page, linked by real data channels.
    #[wasm_bindgen]
    pub async fn rtc_conformance() -> Result<String, JsValue> {
        let (mut a, mut b) = (BridgeEnd::new(), BridgeEnd::new());
        let verdict = conformance::links(&mut a, &mut b).await?;
        if a.bridge.link_count() + b.bridge.link_count() > 0 {
            return Err("links are left".into());
        }
        let stats = path_of_a_link(&mut a, &mut b).await?;
        Ok(format!("{verdict}; {stats}"))
    }

    /// Makes a link, asks for its path, and closes everything.
    async fn path_of_a_link(a: &mut BridgeEnd, b: &mut BridgeEnd) -> Result<String, String> {
        let link = LinkId(9000);
        b.handle(LinkCommand::Open {
            link,
            initiator: false,
        });
        a.handle(LinkCommand::Open {
            link,
            initiator: true,
        });
        let mut opened = 0;
        while opened < 2 {
            let (event, to) = tokio::select! {
                event = a.next() => (event, &b.bridge),
                event = b.next() => (event, &a.bridge),
            };
            match event {
                LinkEvent::Signal { link, data } => to.handle(LinkCommand::Signal { link, data }),
                LinkEvent::Opened { .. } => opened += 1,
                event => return Err(format!("{event:?}")),
            }
        }
        let stats = a
            .bridge
            .stats(link)
            .await
            .ok_or("an open link has no path")?;
        a.bridge.close_all();
        let closed = |event| matches!(event, LinkEvent::Closed { .. });
        while !closed(a.next().await) {}
        while !closed(b.next().await) {}
        match a.bridge.stats(link).await {
            None => Ok(format!("{stats:?}")),
            Some(_) => Err("a closed link has a path".into()),
        }
    }

    /// The browser's WebSocket against the signal server at `url`.
    #[wasm_bindgen]
    pub async fn signal_conformance(url: String) -> Result<String, JsValue> {
        Ok(conformance::signal_server(&url, nonce()).await?)
    }
}
