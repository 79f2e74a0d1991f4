//! Names of kinds of frames and events, for counting and for the trace.

use dxos_mesh::link::LinkEvent;
use dxos_mesh::signal::{ClientSignal, ServerSignal};
use dxos_node::{Effect, Event};
use dxos_services::{ClientFrame, NodeFrame, Request, Response, Write, decode_client, decode_node};

/// What a node is handed.
pub fn event(event: &Event) -> &'static str {
    match event {
        Event::Wake => "node wake",
        Event::ChannelOpened(_) => "node channel opened",
        Event::ChannelFrame(..) => "node channel frame",
        Event::ChannelClosed(_) => "node channel closed",
        Event::SignalOpened => "node signal opened",
        Event::SignalFrame(_) => "node signal frame",
        Event::SignalClosed => "node signal closed",
        Event::Link(_) => "node link event",
        Event::DirectAvailable(true) => "node direct available",
        Event::DirectAvailable(false) => "node direct gone",
    }
}

/// A frame of a client.
pub fn client_frame(bytes: &[u8]) -> &'static str {
    match decode_client(bytes) {
        Ok(ClientFrame::Hello { .. }) => "client hello",
        Ok(ClientFrame::Write {
            write: Write::Objects { .. },
            ..
        }) => "client write objects",
        Ok(ClientFrame::Write {
            write: Write::Text { .. },
            ..
        }) => "client write text",
        Ok(ClientFrame::Write {
            write: Write::Marked { .. },
            ..
        }) => "client write marked",
        Ok(ClientFrame::Presence { .. }) => "client presence",
        Ok(ClientFrame::Call { request, .. }) => match request {
            Request::CreateIdentity { .. } => "call create identity",
            Request::CreateSpace { .. } => "call create space",
            Request::OpenSpace { .. } => "call open space",
            Request::CloseSpace { .. } => "call close space",
            Request::RemoveSpace { .. } => "call remove space",
            Request::LeaveSpace { .. } => "call leave space",
            Request::DeleteSpace { .. } => "call delete space",
            Request::SettleForks { .. } => "call settle forks",
            Request::Subscribe { .. } => "call subscribe",
            Request::Unsubscribe { .. } => "call unsubscribe",
            Request::Get { .. } => "call get",
            Request::Query { .. } => "call query",
            Request::QueryIds { .. } => "call query ids",
            Request::OpenText { base: None, .. } => "call open text",
            Request::OpenText { base: Some(_), .. } => "call open text on base",
            Request::CloseText { .. } => "call close text",
            Request::Invite { .. } => "call invite",
            Request::CancelInvitation { .. } => "call cancel invitation",
            Request::Join { .. } => "call join",
            Request::Authenticate { .. } => "call authenticate",
            Request::SetOffline { .. } => "call set offline",
            Request::Flush => "call flush",
            Request::Stats => "call stats",
            Request::Plain { .. } => "call plain",
            Request::Conflicts { .. } => "call conflicts",
            Request::Verify { .. } => "call verify",
            Request::History { .. } => "call history",
            Request::Version { .. } => "call version",
            Request::ChangedSince { .. } => "call changed since",
            Request::Restore { .. } => "call restore",
            Request::Undo { .. } => "call undo",
            Request::UndoLabels { .. } => "call undo labels",
            Request::BlobBegin { .. } => "call blob begin",
            Request::BlobPiece { .. } => "call blob piece",
            Request::BlobFinish { .. } => "call blob finish",
            Request::BlobRead { .. } => "call blob read",
            Request::Blob { .. } => "call blob",
            Request::BlobKeep { .. } => "call blob keep",
            Request::BlobUsage { .. } => "call blob usage",
        },
        Err(_) => "client malformed",
    }
}

/// A frame of a node: each event of a batch is one.
pub fn node_frame(bytes: &[u8]) -> Vec<&'static str> {
    match decode_node(bytes) {
        Ok(NodeFrame::Welcome { .. }) => vec!["frame welcome"],
        Ok(NodeFrame::Written { result: Ok(_), .. }) => vec!["frame written"],
        Ok(NodeFrame::Written { result: Err(_), .. }) => vec!["frame write refused"],
        Ok(NodeFrame::Reply { result: Err(_), .. }) => vec!["reply failure"],
        Ok(NodeFrame::Reply {
            result: Ok(response),
            ..
        }) => vec![match response {
            Response::Done => "reply done",
            Response::Space(_) => "reply space",
            Response::Subscribed(_) => "reply subscribed",
            Response::Object(_) => "reply object",
            Response::Answer(_) => "reply answer",
            Response::Text(text) if text.on_base => "reply text on base",
            Response::Text(_) => "reply text whole",
            Response::Invitation(_) => "reply invitation",
            Response::Stats(_) => "reply stats",
            Response::Plain(_) => "reply plain",
            Response::Conflicts(_) => "reply conflicts",
            Response::Verified(_) => "reply verified",
            Response::Ids(_) => "reply ids",
            Response::History(_) => "reply history",
            Response::Version(_) => "reply version",
            Response::Undone(_) => "reply undone",
            Response::UndoLabels { .. } => "reply undo labels",
            Response::BlobUpload(_) => "reply blob upload",
            Response::BlobPiece(_) => "reply blob piece",
            Response::Blob(_) => "reply blob",
            Response::BlobUsage(_) => "reply blob usage",
        }],
        Ok(NodeFrame::Batch { events }) => events
            .iter()
            .map(|event| match event {
                dxos_services::Event::Status(_) => "event status",
                dxos_services::Event::Query { .. } => "event query",
                dxos_services::Event::Text { .. } => "event text",
                dxos_services::Event::Carets { .. } => "event carets",
                dxos_services::Event::Invitation(_) => "event invitation",
                dxos_services::Event::Blob(_) => "event blob",
            })
            .collect(),
        Err(_) => vec!["node malformed"],
    }
}

/// The kind of a client's frame, for counting.
pub fn client_signal(bytes: &[u8]) -> &'static str {
    match ClientSignal::decode(bytes) {
        Ok(ClientSignal::Hello { .. }) => "signal hello",
        Ok(ClientSignal::Join { .. }) => "signal join",
        Ok(ClientSignal::Leave { .. }) => "signal leave",
        Ok(ClientSignal::Signal { .. }) => "signal offer up",
        Ok(ClientSignal::Relay { .. }) => "signal relay up",
        Ok(ClientSignal::Ping(_)) => "signal ping",
        Err(_) => "signal malformed up",
    }
}

/// The kind of a server's frame, for counting.
pub fn server_signal(frame: &ServerSignal) -> &'static str {
    match frame {
        ServerSignal::Welcome { .. } => "signal welcome",
        ServerSignal::Peers { .. } => "signal peers",
        ServerSignal::Joined { .. } => "signal joined",
        ServerSignal::Left { .. } => "signal left",
        ServerSignal::Signal { .. } => "signal offer down",
        ServerSignal::Relay { .. } => "signal relay down",
        ServerSignal::Undelivered { .. } => "signal undelivered",
        ServerSignal::Refused { .. } => "signal refused",
        ServerSignal::Pong(_) => "signal pong",
    }
}

/// The kind of a link's event, for counting.
pub fn link_event(event: &LinkEvent) -> &'static str {
    match event {
        LinkEvent::Signal { .. } => "direct signal",
        LinkEvent::Opened { .. } => "direct opened",
        LinkEvent::Message { .. } => "direct message",
        LinkEvent::Closed { .. } => "direct closed",
    }
}

/// An event in words, for the trace.
pub fn tell(event: &Event) -> String {
    match event {
        Event::ChannelFrame(channel, bytes) => {
            format!("{channel:?} {}", cut(format!("{:?}", decode_client(bytes))))
        }
        Event::SignalFrame(bytes) => match ServerSignal::decode(bytes) {
            Ok(frame) => format!("{} {}", server_signal(&frame), cut(format!("{frame:?}"))),
            Err(_) => "signal malformed".into(),
        },
        event => cut(format!("{event:?}")),
    }
}

/// An effect in words, for the trace.
pub fn tell_effect(effect: &Effect) -> String {
    match effect {
        Effect::ToChannel(channel, bytes) => {
            format!("{channel:?} {}", cut(format!("{:?}", decode_node(bytes))))
        }
        Effect::SignalSend(bytes) => client_signal(bytes).into(),
        effect => cut(format!("{effect:?}")),
    }
}

fn cut(words: String) -> String {
    words.chars().take(1500).collect()
}
