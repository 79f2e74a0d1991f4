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

#[test]
fn a_late_removal_takes_back_what_it_cuts_and_all_end_alike() {
    let mut entropy = Seeded(dxos_base::fuzz::SplitMix64::new(1));
    let [ada, bob] = ["Ada", "Bob"].map(|name| {
        let made = create_identity(name, "test", "test", &mut entropy);
        made.unwrap().identity
    });
    let made = create_space(&ada, "Garden", "Ada", &mut entropy).unwrap();
    let id = made.space;
    let mut early = Device::new(ada.clone(), 1, id, &made.credentials);
    let offer = GuestOffer::new(&bob, "Bob", Hash::default()).unwrap();
    let (graph, keyring) = (&early.state().graph, &early.state().keyring);
    let admission = admit(graph, keyring, &ada, &offer, Role::Editor, &mut entropy);
    let admission = admission.unwrap();
    assert_eq!(early.take(&admission), dxos_echo::Received::default());
    let all = [&made.credentials[..], &admission].concat();
    let mut bobs = Device::new(bob.clone(), 2, id, &all);

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
    let body = CredentialBody::SpaceMember {
        identity: bob.identity(),
        agreement: bob.agreement().public(),
        role: None,
        cut: Some(vec![FeedPoint {
            feed: first.feed,
            seq: first.seq,
            head: first.hash,
        }]),
        invitation: None,
    };
    let heads = early.state().graph.heads();
    let removal = ada.issue(id, &heads, body, None, &mut entropy).unwrap();
    let with_removal: Vec<Credential> = all.into_iter().chain([removal.clone()]).collect();
    let mut late = Device::new(ada.clone(), 1, id, &with_removal);
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
