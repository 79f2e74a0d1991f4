//! Seeded randomness and a small cast of people.

use dxos_base::{Entropy, SpaceId};
use dxos_halo::{
    Added, ControlGraph, Credential, CredentialBody, FeedPoint, GuestOffer, Identity, Keyring,
    NewSpace, Role, SealedPart, admit, create_identity, create_space,
};

/// The same bytes for the same seed, on every machine.
pub struct Seeded {
    seed: u64,
    count: u64,
}

impl Seeded {
    pub fn new(seed: u64) -> Self {
        Seeded { seed, count: 0 }
    }
}

impl Entropy for Seeded {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let parts = [self.seed.to_le_bytes(), self.count.to_le_bytes()];
            self.count += 1;
            let block = dxos_base::hash("test entropy", &[&parts[0], &parts[1]]);
            chunk.copy_from_slice(&block.0[..chunk.len()]);
        }
    }
}

pub fn person(name: &str, seed: u64) -> Identity {
    create_identity(name, "laptop", "Test on Linux", &mut Seeded::new(seed))
        .unwrap()
        .identity
}

/// One member's view of a space.
pub struct View {
    pub me: Identity,
    pub graph: ControlGraph,
    pub keyring: Keyring,
    pub entropy: Seeded,
}

impl View {
    pub fn of(me: Identity, space: SpaceId, seed: u64) -> Self {
        let graph = ControlGraph::new(space);
        View {
            me,
            graph,
            keyring: Keyring::new(),
            entropy: Seeded::new(seed),
        }
    }

    /// A new space as its founder sees it.
    pub fn found(me: Identity, seed: u64) -> Self {
        let mut entropy = Seeded::new(seed);
        let NewSpace {
            space,
            credentials,
            key,
        } = create_space(&me, "Garden", me.name(), &mut entropy).unwrap();
        let mut view = View::of(me, space, seed + 1);
        view.keyring.insert(key);
        view.add_all(&credentials);
        view
    }

    pub fn add_all(&mut self, credentials: &[Credential]) {
        for credential in credentials {
            assert!(!matches!(
                self.graph.add(credential.clone()),
                Added::Refused(_)
            ));
        }
    }

    pub fn pull(&mut self, other: &View) {
        let heads = self.graph.heads();
        let news: Vec<Credential> = other.graph.after(&heads).into_iter().cloned().collect();
        self.add_all(&news);
        self.keyring.learn(&self.graph, self.me.agreement());
    }

    pub fn let_in(&mut self, guest: &Identity, role: Role) -> Vec<Credential> {
        let offer = GuestOffer::new(guest, guest.name(), Default::default()).unwrap();
        let made = admit(
            &self.graph,
            &self.keyring,
            &self.me,
            &offer,
            role,
            &mut self.entropy,
        )
        .unwrap();
        self.add_all(&made);
        made
    }

    pub fn issue(&mut self, body: CredentialBody) -> Credential {
        self.issue_sealed(body, None)
    }

    pub fn issue_sealed(&mut self, body: CredentialBody, sealed: Option<SealedPart>) -> Credential {
        let key = self.keyring.all().next().map(|(_, key)| key.clone());
        let sealed = sealed.map(|part| (key.as_ref().unwrap(), part));
        let space = self.graph.space();
        let parents = self.graph.heads();
        let credential = self
            .me
            .issue(space, &parents, body, sealed, &mut self.entropy)
            .unwrap();
        self.add_all(std::slice::from_ref(&credential));
        credential
    }

    pub fn remove(&mut self, subject: &Identity, cut: Vec<FeedPoint>) -> Credential {
        self.issue(member(subject, None, Some(cut)))
    }
}

pub fn member(
    subject: &Identity,
    role: Option<Role>,
    cut: Option<Vec<FeedPoint>>,
) -> CredentialBody {
    CredentialBody::SpaceMember {
        identity: subject.identity(),
        agreement: subject.agreement().public(),
        role,
        cut,
        invitation: None,
    }
}

/// A graph with the same credentials, in another order of arrival.
pub fn rebuilt<'a>(
    space: SpaceId,
    credentials: impl IntoIterator<Item = &'a Credential>,
) -> ControlGraph {
    let mut graph = ControlGraph::new(space);
    for credential in credentials {
        graph.add(credential.clone());
    }
    graph
}
