//! When a [`World`](super::World) has come to rest, and what it says when it does not.

use std::collections::BTreeMap;

use dxos_base::SpaceId;
use dxos_services::{InvitationState, SaveState, SpaceLife, SpaceView, SyncState};

use super::World;

/// A world comes to rest within this virtual time, or it is stuck.
const SETTLE_MS_MAX: u64 = 240_000;
/// How often it is looked at. Longer than statuses and rows of live queries are held back (16 ms), writes of a device
/// alone are not sealed (250 ms), and messages are under way (20 ms).
const LOOK_MS: u64 = 300;

impl World {
    /// Lets the world run until it is at rest: all writes are acknowledged and sealed, all connected peers of a space have
    /// found each other and have the same, and live queries have told so.
    ///
    /// # Panics
    /// When that is not so within four virtual minutes; the message tells what each peer was at.
    pub fn settle(&mut self) {
        let end_ms = self.clock.now_ms() + SETTLE_MS_MAX;
        // A status may be a moment old: what is said twice is so.
        let mut calm_looks = 0;
        while calm_looks < 2 {
            self.advance(LOOK_MS);
            calm_looks = match self.unrest() {
                None => calm_looks + 1,
                Some(unrest) if self.clock.now_ms() > end_ms => self.stuck(&format!(
                    "no rest within {SETTLE_MS_MAX} ms, because {unrest}"
                )),
                Some(_) => 0,
            };
        }
    }

    /// Why the world is not at rest, if it is not.
    fn unrest(&self) -> Option<String> {
        let mut online: BTreeMap<SpaceId, Vec<(usize, SpaceView)>> = BTreeMap::new();
        for (index, host) in self.hosts.iter().enumerate() {
            let name = self.peers[index].name();
            let clients = host.channels.values().filter(|client| !client.is_ended());
            for client in clients.clone() {
                let count = client.unacknowledged();
                if count > 0 {
                    return Some(format!("{count} writes of {name} are not acknowledged"));
                }
            }
            let Some(status) = clients.clone().find_map(crate::Client::status) else {
                continue;
            };
            for view in &status.spaces {
                match view.life {
                    SpaceLife::Opening | SpaceLife::ControlOnly => {
                        return Some(format!("{name} is opening {:?}", view.name));
                    }
                    SpaceLife::Ready => {}
                    _ => continue,
                }
                if view.saved != SaveState::Saved {
                    return Some(format!("{name} is saving {:?}", view.name));
                }
                if self.network.is_online(index) {
                    let of_space = online.entry(view.space).or_default();
                    of_space.push((index, view.clone()));
                }
            }
        }
        let mut apart = online.values().flat_map(|views| {
            let others = views.len() - 1;
            views.iter().map(move |view| (others, view))
        });
        apart.find_map(|(others, (index, view))| {
            let at_rest = match others {
                0 => view.peers.is_empty(),
                _ => view.sync == SyncState::Synced && view.peers.len() == others,
            };
            let name = self.peers[*index].name();
            (!at_rest).then(|| format!("{name} is not level with the others in {:?}", view.name))
        })
    }

    /// Ends the test with what everybody is at.
    pub(super) fn stuck(&self, why: &str) -> ! {
        let mut words = format!(
            "{why}.\nAfter {} virtual ms (seed {}), with {} things under way on the network:\n",
            self.clock.elapsed_ms(),
            self.seed,
            self.network.under_way(),
        );
        for (index, host) in self.hosts.iter().enumerate() {
            let online = match self.network.is_online(index) {
                true => "connected",
                false => "not connected",
            };
            words += &format!("* {}, {online}", self.peers[index].name());
            for client in host.channels.values().filter(|client| !client.is_ended()) {
                words += &format!(", {} writes unacknowledged", client.unacknowledged());
            }
            words.push('\n');
            let client = host.client.borrow();
            for view in client.status().iter().flat_map(|status| &status.spaces) {
                words += &space_line(view);
            }
            for view in client.invitations() {
                if view.state != InvitationState::Success {
                    words += &format!("  * an invitation: {:?} {}\n", view.state, view.reason);
                }
            }
        }
        panic!("{words}");
    }
}

fn space_line(view: &SpaceView) -> String {
    let progress = view.progress;
    let mut line = format!(
        "  * {:?}: {:?}, {:?}, {:?}, {} of {} entries",
        view.name, view.life, view.saved, view.sync, progress.stored, progress.known
    );
    for waiting in &view.waiting {
        line += &format!(", {} wait {}", waiting.entries, waiting.reason);
    }
    for peer in &view.peers {
        line += &format!(
            "; a {:?} peer {} behind, {} ahead",
            peer.kind, peer.ahead, peer.behind
        );
        if let Some(reason) = peer.stalled {
            line += &format!(", stalled: {reason}");
        }
    }
    line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(
        expected = "no rest within 240000 ms, because 1 writes of Ada are not acknowledged"
    )]
    fn a_world_without_rest_tells_why() {
        let mut world = World::new(2);
        let client = world.peer(0).client();
        let space = world.run(client.spaces().personal()).id();
        let object = client.new_object_id();
        drop(client.write(space, vec![crate::ObjectWrite::create(object, "", [])]));
        // Lost on the way, which does not happen in a process.
        world.outbox.borrow_mut().clear();
        world.settle();
    }
}
