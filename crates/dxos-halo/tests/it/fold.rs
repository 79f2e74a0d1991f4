//! The control graph and its fold: order never matters, rights do.

use dxos_base::{FeedId, Hash, SigningKey};
use dxos_halo::{
    Added, ControlGraph, Credential, CredentialBody, EntryClaim, FeedPoint, GuestOffer, Identity,
    InvitationProof, Keyring, RefusedCredential, Role, SealedPart, Verdict, admit, create_identity,
    device_consent_hash, grant_missing, invitation_proof_hash, rekey,
};
use proptest::prelude::*;

use crate::support::{Seeded, View, member, person, rebuilt};

fn all(graph: &ControlGraph) -> Vec<Credential> {
    graph.after(&[]).into_iter().cloned().collect()
}

/// Ada founds; Ben becomes admin, Cy editor; all see it.
fn three() -> (View, View, View) {
    let (ada, ben, cy) = (person("Ada", 1), person("Ben", 2), person("Cy", 3));
    let mut a = View::found(ada, 10);
    a.let_in(&ben, Role::Admin);
    a.let_in(&cy, Role::Editor);
    let space = a.graph.space();
    let (mut b, mut c) = (View::of(ben, space, 20), View::of(cy, space, 30));
    b.pull(&a);
    c.pull(&a);
    (a, b, c)
}

fn role(view: &View, who: &Identity) -> Option<Role> {
    view.graph.state().role(&who.identity())
}

fn claim<'a>(who: &Identity, seq: u64, heads: &'a [Hash], first: &'a [Hash]) -> EntryClaim<'a> {
    EntryClaim {
        device: who.device(),
        feed: FeedId(who.device().0[..16].try_into().unwrap()),
        seq,
        hash: Hash([seq as u8; 32]),
        control_heads: heads,
        previous_heads: None,
        first_heads: first,
    }
}

fn cut_at(who: &Identity, seq: u64) -> Vec<FeedPoint> {
    let of = claim(who, seq, &[], &[]);
    vec![FeedPoint {
        feed: of.feed,
        seq,
        head: of.hash,
    }]
}

#[test]
fn a_founder_owns_its_space_and_its_names_open() {
    let (a, b, _) = three();
    assert_eq!(role(&a, &a.me), Some(Role::Owner));
    assert_eq!(a.graph.state().role_of(&b.me.device()), Some(Role::Admin));
    assert!(a.graph.state().void.is_empty());
    assert_eq!(b.graph.space_name(&b.keyring).as_deref(), Some("Garden"));
    assert_eq!(
        b.graph.member_name(&b.keyring, &a.me.identity()).as_deref(),
        Some("Ada")
    );
    assert_eq!(
        a.graph.member_name(&a.keyring, &b.me.identity()).as_deref(),
        Some("Ben")
    );
    assert_eq!(a.graph.space_name(&Keyring::new()), None);
    let device = b
        .graph
        .state()
        .device_of_agreement(&a.me.device_agreement().public());
    assert_eq!(device, Some(a.me.device()));
    let order: Vec<_> = a
        .graph
        .state()
        .present_members()
        .iter()
        .map(|(key, _)| *key)
        .collect();
    assert_eq!(order[0], a.me.identity());
    assert_eq!(order.len(), 3);
}

#[test]
fn the_halo_space_folds_and_its_key_opens_to_the_device() {
    let made = create_identity("Ada", "laptop", "Test on Linux", &mut Seeded::new(1)).unwrap();
    let graph = rebuilt(made.space, &made.credentials);
    assert!(graph.state().void.is_empty());
    let mut keyring = Keyring::new();
    assert_eq!(keyring.learn(&graph, made.identity.device_agreement()), 1);
    let (id, key) = keyring.newest(graph.state()).unwrap();
    assert_eq!((*id, key), (made.key.id(), &made.key));
    let me = made.identity.identity();
    assert_eq!(graph.member_name(&keyring, &me).as_deref(), Some("Ada"));
    let label = graph
        .device_label(&keyring, &made.identity.device())
        .unwrap();
    assert_eq!(
        (label.label.as_str(), label.platform.as_str()),
        ("laptop", "Test on Linux")
    );
}

#[test]
fn a_member_learns_every_key_and_a_stranger_none() {
    let (a, b, _) = three();
    assert_eq!(b.keyring, a.keyring);
    let mut stranger = Keyring::new();
    assert_eq!(stranger.learn(&a.graph, person("Eve", 9).agreement()), 0);
}

#[test]
fn joining_twice_adds_nothing() {
    let (mut a, b, _) = three();
    assert!(a.let_in(&b.me, Role::Admin).is_empty());
    assert!(
        a.let_in(&b.me, Role::Reader).is_empty(),
        "an admission never lowers a role"
    );
    assert!(
        grant_missing(&a.graph, &a.keyring, &a.me, &mut a.entropy)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn only_admins_admit_and_none_above_themselves() {
    let (_, mut b, mut c) = three();
    let dan = person("Dan", 4);
    let offer = GuestOffer::new(&dan, "Dan", Hash::default()).unwrap();
    assert!(
        admit(
            &c.graph,
            &c.keyring,
            &c.me,
            &offer,
            Role::Reader,
            &mut c.entropy
        )
        .is_err()
    );
    assert!(
        admit(
            &b.graph,
            &b.keyring,
            &b.me,
            &offer,
            Role::Owner,
            &mut b.entropy
        )
        .is_err()
    );
    // Said all the same, it does not count.
    let forged = c.issue(member(&dan, Some(Role::Reader), None));
    let raised = b.issue(member(&dan, Some(Role::Owner), None));
    let self_raised = c.issue(member(&c.me.clone(), Some(Role::Owner), None));
    b.pull(&c);
    assert_eq!(role(&b, &dan), None);
    assert_eq!(role(&b, &c.me), Some(Role::Editor));
    for hash in [forged.hash(), raised.hash(), self_raised.hash()] {
        assert!(b.graph.state().void.contains(&hash));
    }
}

#[test]
fn a_credential_waits_for_its_parents_and_foreign_ones_are_refused() {
    let (a, ..) = three();
    let mut credentials = all(&a.graph);
    credentials.reverse();
    let mut graph = ControlGraph::new(a.graph.space());
    let last = credentials.len() - 1;
    for (i, credential) in credentials.iter().enumerate() {
        let added = graph.add(credential.clone());
        assert_eq!(
            added,
            if i == last {
                Added::New
            } else {
                Added::Waiting
            }
        );
        assert_eq!(graph.missing().is_empty(), i == last);
        assert_eq!(graph.add(credential.clone()), Added::Known);
    }
    assert_eq!(graph.digest(), a.graph.digest());
    let elsewhere = View::found(person("Eve", 9), 90);
    let foreign = all(&elsewhere.graph).remove(0);
    assert_eq!(
        graph.add(foreign),
        Added::Refused(RefusedCredential::OtherSpace)
    );
    let challenge = CredentialBody::Auth {
        challenge: Hash([1; 32]),
    };
    let auth = a.me.issue(
        a.graph.space(),
        &a.graph.heads(),
        challenge,
        None,
        &mut Seeded::new(1),
    );
    assert_eq!(
        graph.add(auth.unwrap()),
        Added::Refused(RefusedCredential::NotForGraphs)
    );
}

#[test]
fn after_gives_what_the_other_lacks_parents_first() {
    let (a, b, _) = three();
    assert!(a.graph.after(&a.graph.heads()).is_empty());
    let genesis = all(&a.graph)[0].hash();
    let rest = a.graph.after(&[genesis]);
    assert_eq!(rest.len(), a.graph.len() - 1);
    let mut graph = ControlGraph::new(a.graph.space());
    graph.add(all(&b.graph)[0].clone());
    for credential in rest {
        assert_eq!(graph.add(credential.clone()), Added::New);
    }
    assert_eq!(
        a.graph.after(&[Hash([9; 32])]).len(),
        a.graph.len(),
        "unknown heads hide nothing"
    );
}

#[test]
fn a_removed_member_reads_and_writes_nothing_new() {
    let (mut a, mut b, mut c) = three();
    let before = a.graph.heads();
    a.remove(&c.me.clone(), cut_at(&c.me, 5));
    assert_eq!(role(&a, &c.me), None);
    assert_eq!(
        a.keyring.newest(a.graph.state()),
        None,
        "the old key is known to the removed"
    );
    let (key, grants) = rekey(&a.graph, &a.me, &mut a.entropy).unwrap();
    a.add_all(&grants);
    a.keyring.insert(key.clone());
    assert_eq!(a.keyring.newest(a.graph.state()).unwrap().1, &key);
    b.pull(&a);
    c.pull(&a);
    assert!(b.keyring.get(&key.id()).is_some());
    assert!(c.keyring.get(&key.id()).is_none());
    // Granting the old key to a newcomer does not make it the newest again.
    a.let_in(&person("Dan", 4), Role::Editor);
    assert_eq!(a.keyring.newest(a.graph.state()).unwrap().1, &key);

    let decide =
        |view: &View, seq, heads: &[Hash]| view.graph.decide(&claim(&c.me, seq, heads, &before));
    assert_eq!(
        decide(&a, 5, &before),
        Verdict::Counts,
        "what the remover had applied stays"
    );
    assert_eq!(decide(&a, 6, &before), Verdict::Void, "backdated");
    assert_eq!(decide(&a, 6, &a.graph.heads()), Verdict::Void);
    assert_eq!(decide(&a, 1, &[Hash([3; 32])]), Verdict::Wait);
    let mut forked = claim(&c.me, 5, &before, &before);
    forked.hash = Hash([77; 32]);
    assert_eq!(
        a.graph.decide(&forked),
        Verdict::Void,
        "another branch than the one named"
    );
}

#[test]
fn a_backdated_admission_by_a_removed_admin_is_void() {
    let (mut a, mut b, _) = three();
    let dan = person("Dan", 4);
    a.remove(&b.me.clone(), vec![]);
    let backdated = b.let_in(&dan, Role::Editor);
    a.pull(&b);
    assert_eq!(role(&a, &dan), None);
    assert!(a.graph.state().void.contains(&backdated[0].hash()));
    let heads = b.graph.heads();
    assert_eq!(
        a.graph
            .decide(&claim(&dan, 0, &[backdated.last().unwrap().hash()], &heads)),
        Verdict::Void,
        "its own control heads let it write, the whole set does not"
    );
}

#[test]
fn a_readmitted_member_writes_in_new_feeds_only() {
    let (mut a, _, c) = three();
    let before = a.graph.heads();
    a.remove(&c.me.clone(), cut_at(&c.me, 5));
    a.let_in(&c.me, Role::Editor);
    let now = a.graph.heads();
    assert_eq!(role(&a, &c.me), Some(Role::Editor));
    assert_eq!(
        a.graph.decide(&claim(&c.me, 6, &now, &before)),
        Verdict::Void,
        "the old feed"
    );
    let mut fresh = claim(&c.me, 0, &now, &now);
    fresh.feed = FeedId([200; 16]);
    assert_eq!(a.graph.decide(&fresh), Verdict::Counts);
    fresh.first_heads = &before;
    assert_eq!(
        a.graph.decide(&fresh),
        Verdict::Void,
        "a feed hidden from the remover"
    );
}

#[test]
fn of_two_that_remove_each_other_the_senior_stays() {
    let (mut a, mut b, _) = three();
    let dan = person("Dan", 4);
    a.let_in(&dan, Role::Admin);
    b.pull(&a);
    let mut d = View::of(dan, a.graph.space(), 40);
    d.pull(&a);
    b.remove(&d.me.clone(), vec![]);
    d.remove(&b.me.clone(), vec![]);
    a.pull(&b);
    a.pull(&d);
    assert_eq!(role(&a, &b.me), Some(Role::Admin));
    assert_eq!(role(&a, &d.me), None);
}

#[test]
fn an_owner_goes_before_a_senior_admin_and_the_last_owner_stays() {
    let (mut a, mut b, _) = three();
    b.remove(&a.me.clone(), vec![]);
    a.pull(&b);
    assert_eq!(
        role(&a, &a.me),
        Some(Role::Owner),
        "an admin cannot remove an owner"
    );
    let leave = a.remove(&a.me.clone(), vec![]);
    assert!(
        a.graph.state().void.contains(&leave.hash()),
        "the last owner cannot leave"
    );
    a.let_in(&b.me, Role::Owner);
    a.remove(&a.me.clone(), vec![]);
    assert_eq!(role(&a, &a.me), None);
    assert_eq!(role(&a, &b.me), Some(Role::Owner));
}

#[test]
fn a_demoted_member_keeps_its_profile_and_loses_its_word() {
    let (mut a, mut b, _) = three();
    a.issue(member(
        &b.me.clone(),
        Some(Role::Reader),
        Some(cut_at(&b.me, 2)),
    ));
    let dan = person("Dan", 4);
    b.let_in(&dan, Role::Editor);
    let body = CredentialBody::MemberProfile {
        identity: b.me.identity(),
        agreement: b.me.agreement().public(),
    };
    b.issue_sealed(
        body,
        Some(SealedPart::Profile {
            name: "Benjamin".into(),
        }),
    );
    a.pull(&b);
    assert_eq!(role(&a, &b.me), Some(Role::Reader));
    assert_eq!(role(&a, &dan), None);
    let name = a.graph.member_name(&a.keyring, &b.me.identity());
    assert_eq!(name.as_deref(), Some("Benjamin"));
    // Promoted again: what it wrote as a reader stays void.
    let as_reader = a.graph.heads();
    a.let_in(&b.me, Role::Editor);
    let fresh = |heads| {
        let mut entry = claim(&b.me, 0, heads, heads);
        entry.feed = FeedId([201; 16]);
        a.graph.decide(&entry)
    };
    assert_eq!(fresh(&as_reader), Verdict::Void);
    assert_eq!(fresh(&a.graph.heads()), Verdict::Counts);
}

#[test]
fn control_heads_never_go_back_along_a_feed() {
    let (mut a, _, c) = three();
    let old = a.graph.heads();
    a.let_in(&person("Dan", 4), Role::Reader);
    let new = a.graph.heads();
    let mut entry = claim(&c.me, 1, &old, &old);
    entry.previous_heads = Some(&new);
    assert_eq!(a.graph.decide(&entry), Verdict::Void);
    entry.previous_heads = Some(&old);
    assert_eq!(a.graph.decide(&entry), Verdict::Counts);
}

#[test]
fn a_revoked_device_is_out_for_good_and_what_it_authorised_late_too() {
    let (mut a, ..) = three();
    let (first, second, third) = (a.me.clone(), person("x", 50), person("y", 51));
    let authorise = |new: &Identity| {
        let (device, agreement) = (new.device(), new.device_agreement().public());
        let identity = first.identity();
        let consent = new
            .signing_key()
            .sign(&device_consent_hash(&identity, &device, &agreement));
        CredentialBody::AuthorizedDevice {
            identity,
            device,
            agreement,
            consent,
        }
    };
    a.issue(authorise(&second));
    assert_eq!(a.graph.state().role_of(&second.device()), Some(Role::Owner));
    let fork = a.graph.heads();
    // The second revokes the first, which at the same time authorises a third.
    let mut s = View::of(second.clone(), a.graph.space(), 60);
    s.pull(&a);
    let revoked = CredentialBody::RevokedDevice {
        identity: first.identity(),
        device: first.device(),
        cut: vec![],
    };
    s.issue(revoked);
    a.issue(authorise(&third));
    assert_eq!(a.graph.state().role_of(&third.device()), Some(Role::Owner));
    a.pull(&s);
    let state = a.graph.state();
    assert_eq!(state.role_of(&first.device()), None);
    assert_eq!(state.role_of(&third.device()), None);
    assert_eq!(state.role_of(&second.device()), Some(Role::Owner));
    assert!(a.graph.state_at(&fork).unwrap().may_write(&first.device()));
    // Carried again from its own space, the old authorisation revives nothing.
    let carried = CredentialBody::Carried {
        credential: first.chain()[0].bytes().to_vec(),
    };
    s.issue(carried);
    assert_eq!(s.graph.state().role_of(&first.device()), None);
}

#[test]
fn a_delegated_invitation_admits_whoever_holds_its_key_once() {
    let (mut a, _, mut c) = three();
    let key = SigningKey::generate(&mut Seeded::new(70));
    let body = CredentialBody::Invitation {
        key: key.public(),
        role: Role::Editor,
        uses: 1,
        expires_ms: 1,
    };
    let invitation = a.issue(body).hash();
    c.pull(&a);
    let mut joins = |seed: u64, given: Role| {
        let guest = person("Guest", seed);
        let (identity, agreement) = (guest.identity(), guest.agreement().public());
        let signed = invitation_proof_hash(&invitation, &identity, &agreement);
        let signature = key.sign(&signed);
        // Written by an editor, who may admit nobody on its own.
        c.issue(CredentialBody::SpaceMember {
            identity,
            agreement,
            role: Some(given),
            cut: None,
            invitation: Some(InvitationProof {
                invitation,
                signature,
            }),
        });
        guest
    };
    let raised = joins(81, Role::Admin);
    let first = joins(82, Role::Editor);
    let second = joins(83, Role::Editor);
    assert_eq!(role(&c, &raised), None, "the courier can raise no one");
    assert_eq!(role(&c, &first), Some(Role::Editor));
    assert_eq!(role(&c, &second), None);
    let state = &c.graph.state().invitations[&invitation];
    assert_eq!((state.used, state.overused), (1, 1));
}

/// What random members do: who, what, about whom.
#[test]
fn a_fork_is_settled_by_its_devices_identity_or_an_admin() {
    let (mut a, mut b, mut c) = three();
    let device = c.me.device();
    let feed = FeedId([9; 16]);
    let cut = |seq, head: u8| CredentialBody::FeedCut {
        device,
        point: FeedPoint {
            feed,
            seq,
            head: Hash([head; 32]),
        },
    };
    let picked = |view: &View, seq| view.graph.state().picked(&device, &feed, seq);
    // Concurrent ones: the entry with the smallest hash, however they arrive.
    c.issue(cut(5, 7));
    b.issue(cut(5, 3));
    b.issue(cut(8, 1));
    a.issue(cut(5, 4));
    for view in [&mut b, &mut c] {
        view.pull(&a);
    }
    a.pull(&c);
    assert_eq!(picked(&a, 5), Some(Hash([4; 32])));
    a.pull(&b);
    for view in [&mut b, &mut c] {
        view.pull(&a);
        assert_eq!(picked(view, 5), Some(Hash([3; 32])));
        assert_eq!(picked(view, 8), Some(Hash([1; 32])));
        assert_eq!(picked(view, 6), None);
    }
    // One that follows them all replaces them.
    c.issue(cut(5, 9));
    a.pull(&c);
    assert_eq!(picked(&a, 5), Some(Hash([9; 32])));
    assert!(a.graph.state().void.is_empty());
    // An editor settles nobody else's forks; what a removed admin says late is void.
    let theirs = CredentialBody::FeedCut {
        device: a.me.device(),
        point: FeedPoint {
            feed,
            seq: 1,
            head: Hash([1; 32]),
        },
    };
    let void = c.issue(theirs);
    let late = b.issue(cut(8, 0));
    a.remove(&b.me.clone(), vec![]);
    a.pull(&c);
    a.pull(&b);
    assert_eq!(a.graph.state().picked(&a.me.device(), &feed, 1), None);
    assert_eq!(picked(&a, 8), Some(Hash([1; 32])));
    let out = [void.hash(), late.hash()];
    assert!(out.iter().all(|hash| a.graph.state().void.contains(hash)));
}

fn steps() -> impl Strategy<Value = Vec<(usize, usize, usize)>> {
    prop::collection::vec((0..4usize, 0..9usize, 0..6usize), 1..24)
}

/// Plays the steps on four views that hear of each other now and then; returns all that was said.
fn play(steps: &[(usize, usize, usize)]) -> (View, Vec<Credential>) {
    let (a, b, c) = three();
    let space = a.graph.space();
    let mut views = vec![a, b, c, View::of(person("Dan", 4), space, 40)];
    let cast: Vec<Identity> = (1..=6)
        .map(|seed| {
            person(
                ["Ada", "Ben", "Cy", "Dan", "Eli", "Fay"][seed as usize - 1],
                seed,
            )
        })
        .collect();
    for (who, what, whom) in steps {
        let subject = &cast[*whom];
        let view = &mut views[*who];
        if view.graph.is_empty() {
            let first = all(&views[0].graph);
            views[*who].add_all(&first);
            continue;
        }
        match what {
            0 => drop(view.issue(member(subject, Some(Role::Admin), None))),
            1 => drop(view.issue(member(subject, Some(Role::Editor), None))),
            2 => drop(view.issue(member(subject, None, Some(cut_at(subject, 3))))),
            3 => drop(view.issue(member(subject, Some(Role::Reader), Some(vec![])))),
            4 => {
                let link = subject.chain()[0].bytes().to_vec();
                view.issue(CredentialBody::Carried { credential: link });
            }
            5 => {
                let revoked = CredentialBody::RevokedDevice {
                    identity: view.me.identity(),
                    device: subject.device(),
                    cut: vec![],
                };
                view.issue(revoked);
            }
            6 => {
                if let Ok((_, grants)) = rekey(&view.graph, &view.me, &mut view.entropy) {
                    view.add_all(&grants);
                }
            }
            _ => {
                let other = whom % 4;
                if other != *who {
                    let news = all(&views[other].graph);
                    views[*who].add_all(&news);
                }
            }
        }
    }
    let mut whole = View::of(person("Zoe", 7), space, 90);
    for view in &views {
        whole.pull(view);
    }
    let credentials = all(&whole.graph);
    (whole, credentials)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_order_with_repeats_gives_the_same_state(
        steps in steps(),
        keys in prop::collection::vec(any::<u32>(), 160),
    ) {
        let (whole, credentials) = play(&steps);
        let mut order: Vec<usize> = (0..credentials.len()).chain(0..credentials.len()).collect();
        order.sort_by_key(|i| keys[i % keys.len()].wrapping_mul(2 * *i as u32 + 1));
        let mut shuffled = ControlGraph::new(whole.graph.space());
        for (n, i) in order.iter().enumerate() {
            shuffled.add(credentials[*i].clone());
            if n % 5 == 0 {
                // Folding on the way leaves no trace.
                shuffled.state();
            }
        }
        prop_assert_eq!(shuffled.heads(), whole.graph.heads());
        prop_assert_eq!(shuffled.digest(), whole.graph.digest());
        prop_assert_eq!(shuffled.state(), whole.graph.state());
        prop_assert_eq!(all(&shuffled), all(&whole.graph));
        for credential in &credentials {
            let heads = [credential.hash()];
            let there = shuffled.state_at(&heads).unwrap();
            prop_assert_eq!(&there, &whole.graph.state_at(&heads).unwrap());
        }
    }

    #[test]
    fn somebody_who_lacks_the_rest_sees_the_state_at_those_heads(
        steps in steps(),
        pick in any::<prop::sample::Index>(),
    ) {
        let (whole, credentials) = play(&steps);
        let heads = [credentials[pick.index(credentials.len())].hash()];
        // Everything the heads follow, found by walking parents.
        let mut wanted = vec![heads[0]];
        let mut past = ControlGraph::new(whole.graph.space());
        while let Some(hash) = wanted.pop() {
            let credential = whole.graph.get(&hash).unwrap().clone();
            wanted.extend(credential.parents().iter().filter(|parent| !past.contains(parent)));
            past.add(credential);
        }
        prop_assert_eq!(past.heads(), heads.to_vec());
        prop_assert_eq!(past.state(), &*whole.graph.state_at(&heads).unwrap());
    }

    #[test]
    fn an_owner_always_remains(steps in steps()) {
        let (whole, _) = play(&steps);
        let owners = whole.graph.state().present_members();
        prop_assert!(owners.iter().any(|(_, member)| member.role == Some(Role::Owner)));
    }
}
