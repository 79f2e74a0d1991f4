//! Membership and data together: what a removal leaves of what the removed member wrote.

use dxos_base::{Entropy, ObjectId, ObjectWrite, Value};
use dxos_echo::SealedEntry;
use dxos_echo::memory::MemoryStore;
use dxos_echo::store::Durability;
use dxos_halo::{
    CredentialBody, FeedPoint, GuestOffer, Identity, Role, admit, create_identity, create_space,
};
use dxos_text::LoroEngine;

use super::*;

/// Randomness from a seed.
struct Seeded(dxos_base::fuzz::SplitMix64);

impl Entropy for Seeded {
    fn fill(&mut self, out: &mut [u8]) {
        out.fill_with(|| self.0.number() as u8);
    }
}

/// A person's device in one space.
struct Device {
    me: Identity,
    state: Option<SpaceState>,
    store: MemoryStore,
    text: LoroEngine,
    entropy: Seeded,
    now: Tick,
}

impl Device {
    fn new(me: Identity, seed: u64, id: SpaceId, credentials: &[Credential]) -> Device {
        let mut device = Device {
            me,
            state: None,
            store: MemoryStore::default(),
            text: LoroEngine::default(),
            entropy: Seeded(dxos_base::fuzz::SplitMix64::new(seed)),
            now: Tick(1_700_000_000_000 + seed),
        };
        let record = SpaceRecord {
            order: 0,
            personal: false,
        };
        let (key, agreement) = (device.me.device(), device.me.agreement().clone());
        let state = device.run(|_, cx| {
            SpaceState::create(
                id,
                record,
                credentials,
                key,
                &agreement,
                [seed as u8; 16],
                cx,
            )
        });
        device.state = Some(state);
        device
    }

    fn run<T>(
        &mut self,
        work: impl FnOnce(&mut Option<SpaceState>, &mut Context<'_>) -> Result<T, EchoError>,
    ) -> T {
        let mut cx = Context {
            now: self.now,
            store: &mut self.store,
            text: &mut self.text,
            entropy: &mut self.entropy,
        };
        let state = &mut self.state;
        transaction(&mut cx, Durability::Synced, |cx| work(state, cx)).unwrap()
    }

    fn state(&self) -> &SpaceState {
        self.state.as_ref().unwrap()
    }

    fn write(&mut self, write: ObjectWrite) -> SealedEntry {
        let me = self.me.clone();
        self.now.0 += 1;
        self.run(|state, cx| {
            let state = state.as_mut().unwrap();
            let heads = state.control_heads();
            (state.data).write(&mut write_context(cx), &heads, &[write])?;
            let (mut sealed, _) = state.seal_entries(&me, cx)?;
            Ok(sealed.remove(0))
        })
    }

    fn receive(&mut self, entries: &[SealedEntry]) {
        let entries: Vec<Vec<u8>> = entries.iter().map(|entry| entry.bytes.clone()).collect();
        let received = self.run(|state, cx| state.as_mut().unwrap().receive(&entries, cx));
        assert_eq!((received.stored, received.refused), (entries.len(), vec![]));
    }

    fn take(&mut self, credentials: &[Credential]) -> dxos_echo::Received {
        let agreement = self.me.agreement().clone();
        let (changed, received) = self.run(|state, cx| {
            let state = state.as_mut().unwrap();
            state.take_credentials(credentials.to_vec(), &agreement, cx)
        });
        assert!(changed);
        received
    }

    fn title(&mut self, object: ObjectId) -> Option<Value> {
        let view = self.run(|state, cx| {
            let state = state.as_ref().unwrap();
            state.data.object(&mut *cx.store, object)
        });
        view.and_then(|view| view.values.get("title").cloned())
    }
}

/// Ada's space with Bob in it, at a device of each; and all credentials.
fn garden(entropy: &mut Seeded) -> (Device, Device, Vec<Credential>) {
    let [ada, bob] = ["Ada", "Bob"].map(|name| {
        let made = create_identity(name, "test", "test", entropy);
        made.unwrap().identity
    });
    let made = create_space(&ada, "Garden", "Ada", entropy).unwrap();
    let id = made.space;
    let mut adas = Device::new(ada.clone(), 1, id, &made.credentials);
    let offer = GuestOffer::new(&bob, "Bob", Hash::default()).unwrap();
    let (graph, keyring) = (&adas.state().graph, &adas.state().keyring);
    let admission = admit(graph, keyring, &ada, &offer, Role::Editor, entropy).unwrap();
    assert_eq!(adas.take(&admission), dxos_echo::Received::default());
    let all = [&made.credentials[..], &admission].concat();
    let bobs = Device::new(bob, 2, id, &all);
    (adas, bobs, all)
}

/// The credential by which `by` removes `whom`, and leaves what there is of its feed up to `last`.
fn removal(by: &Device, whom: &Device, last: &SealedEntry, entropy: &mut Seeded) -> Credential {
    let body = CredentialBody::SpaceMember {
        identity: whom.me.identity(),
        agreement: whom.me.agreement().public(),
        role: None,
        cut: Some(vec![FeedPoint {
            feed: last.feed,
            seq: last.seq,
            head: last.hash,
        }]),
        invitation: None,
    };
    let graph = &by.state().graph;
    by.me
        .issue(graph.space(), &graph.heads(), body, None, entropy)
        .unwrap()
}

#[test]
fn a_late_removal_takes_back_what_it_cuts_and_all_end_alike() {
    let mut entropy = Seeded(dxos_base::fuzz::SplitMix64::new(1));
    let (mut early, mut bobs, all) = garden(&mut entropy);
    let object = ObjectId([1; 16]);
    let values = [("title".to_owned(), Value::from("kept"))];
    let first = bobs.write(ObjectWrite::create(
        object,
        "org.example.Task@0.1.0",
        values,
    ));
    let second = bobs.write(ObjectWrite::set(object, "title", "cut"));
    early.receive(&[first.clone(), second.clone()]);
    assert_eq!(early.title(object), Some("cut".into()));

    // Ada's other device had applied the first entry only.
    let removal = removal(&early, &bobs, &first, &mut entropy);
    let with_removal: Vec<Credential> = all.into_iter().chain([removal.clone()]).collect();
    let id = early.state().id;
    let mut late = Device::new(early.me.clone(), 1, id, &with_removal);
    late.receive(&[first.clone(), second.clone()]);

    let decided_anew = early.take(std::slice::from_ref(&removal));
    assert_eq!(decided_anew.redecided, 1);
    assert!(decided_anew.touched.objects.contains(&object));
    bobs.take(std::slice::from_ref(&removal));
    for device in [&mut early, &mut late, &mut bobs] {
        assert_eq!(device.title(object), Some("kept".into()));
    }
    let digest = |device: &Device| device.state().data.state_digest();
    assert_eq!(digest(&early), digest(&late));
    assert_eq!(digest(&bobs), digest(&late));
}

#[test]
fn a_removal_that_leaves_all_there_is_makes_nothing_anew() {
    let mut entropy = Seeded(dxos_base::fuzz::SplitMix64::new(2));
    let (mut adas, mut bobs, _) = garden(&mut entropy);
    let object = ObjectId([1; 16]);
    let values = [("title".to_owned(), Value::from("kept"))];
    let create = |object| ObjectWrite::create(object, "org.example.Task@0.1.0", values.clone());
    let last = bobs.write(create(object));
    adas.receive(std::slice::from_ref(&last));
    let removal = removal(&adas, &bobs, &last, &mut entropy);
    let nothing = dxos_echo::Received::default();
    assert_eq!(adas.take(std::slice::from_ref(&removal)), nothing);
    // Bob does not know yet. What he writes is void, also where the removal comes after it.
    let beyond = bobs.write(create(ObjectId([2; 16])));
    adas.receive(std::slice::from_ref(&beyond));
    assert_eq!(bobs.take(std::slice::from_ref(&removal)).redecided, 1);
    let digest = |device: &Device| device.state().data.state_digest();
    assert_eq!(digest(&adas), digest(&bobs));
}
