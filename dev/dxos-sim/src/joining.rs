//! How people come in: an identity each, one space, and an invitation with an auth code for everybody else.
//!
//! Invariant: whoever is not in tries again until they are, whatever went wrong before.

use std::collections::BTreeMap;

use dxos_base::InvitationId;
use dxos_services::{Failure, FailureKind, InvitationState, InvitationView, Role};

use crate::queue::Time;
use crate::tap::CANARY;
use crate::world::{Item, World};

/// An attempt is given up after this.
const ATTEMPT_MS_MAX: u64 = 45_000;
/// How often people look how far they are.
const LOOK_MS: u64 = 100;

/// Attempts under way, by guest.
#[derive(Default)]
pub struct Joining {
    attempts: BTreeMap<usize, Attempt>,
    /// Peers asked to make their identity and not answered.
    identities: BTreeMap<usize, Time>,
    /// When the space was asked for.
    space_asked: Option<Time>,
}

struct Attempt {
    host: usize,
    since: Time,
    invited: Option<InvitationView>,
    joining: bool,
    guest: Option<InvitationId>,
    typed_with_tries: Option<u8>,
    wrong_codes: u8,
    cancelled: bool,
}

impl World {
    /// Everybody who is not in does the next step.
    pub fn advance_joining(&mut self) {
        self.later(LOOK_MS, Item::Joining);
        self.advance_departures();
        for index in 0..self.peers.len() {
            self.watch_space(index);
            if self.is_member(index) {
                self.joining.attempts.remove(&index);
            } else if !self.stays_out(index)
                && self.peers[index].node.is_some()
                && self.peers[index].persons[0].channel.is_some()
            {
                self.come_in(index);
            }
        }
    }

    fn watch_space(&mut self, index: usize) {
        let Some(space) = self.space else { return };
        for person in 0..self.peers[index].persons.len() {
            let status = self.peers[index].persons[person].status();
            if status.is_some_and(|status| World::lists(&status, space)) {
                self.peers[index].persons[person].watch(space);
                self.pump(index, person, 0);
            }
        }
    }

    fn come_in(&mut self, index: usize) {
        let now = self.now();
        let Some(status) = self.peers[index].persons[0].status() else {
            return;
        };
        if status.identity.is_none() {
            let asked = self.joining.identities.get(&index);
            if asked.is_none_or(|at| at + 5_000 < now) {
                self.joining.identities.insert(index, now);
                let person = &mut self.peers[index].persons[0];
                person.create_identity(format!("{CANARY} {index}"), format!("{CANARY}'s device"));
                self.pump(index, 0, 0);
            }
            return;
        }
        if index == 0 && self.space.is_none() {
            // After a crash in the middle the space may be there without an answer.
            if let Some(view) = status.spaces.iter().find(|view| !view.personal) {
                self.space = Some(view.space);
            } else if self.joining.space_asked.is_none_or(|at| at + 5_000 < now) {
                self.joining.space_asked = Some(now);
                self.peers[0].persons[0].create_space(format!("{CANARY} house"));
                self.pump(0, 0, 0);
            }
            return;
        }
        if self.space.is_some() && index != 0 {
            self.join(index);
        }
    }

    fn join(&mut self, index: usize) {
        let now = self.now();
        let Some(attempt) = self.joining.attempts.get(&index) else {
            return self.begin(index);
        };
        let over = attempt.since + ATTEMPT_MS_MAX < now
            || attempt.cancelled
            || self.is_over(index, attempt);
        if over {
            self.give_up(index);
            return;
        }
        let Some(invited) = attempt.invited.clone() else {
            return;
        };
        if !attempt.joining {
            self.enter_code(index, &invited);
            return;
        }
        let Some(id) = attempt.guest else { return };
        let Some(view) = self.invitation(index, id) else {
            return;
        };
        if view.state == InvitationState::ReadyForAuthentication
            && attempt.typed_with_tries != Some(view.tries_left)
        {
            self.type_code(index, id, view.tries_left, &invited.auth_code);
        }
    }

    fn is_over(&self, index: usize, attempt: &Attempt) -> bool {
        let ended = |view: InvitationView| {
            matches!(
                view.state,
                InvitationState::Cancelled
                    | InvitationState::Timeout
                    | InvitationState::Error
                    | InvitationState::Expired
            )
        };
        attempt
            .guest
            .and_then(|id| self.invitation(index, id))
            .is_some_and(ended)
    }

    fn begin(&mut self, index: usize) {
        let Some(space) = self.space else { return };
        let hosts: Vec<usize> = self
            .members()
            .into_iter()
            .filter(|host| {
                self.peers[*host].persons[0].channel.is_some() && !self.peers[*host].offline
            })
            .filter(|host| {
                let status = self.peers[*host].persons[0].status();
                let role = status.and_then(|status| {
                    status
                        .spaces
                        .iter()
                        .find(|view| view.space == space)
                        .map(|view| view.role)
                });
                role.is_some_and(|role| role >= Role::Admin)
            })
            .collect();
        if hosts.is_empty() {
            return;
        }
        let host = *self.random.pick(&hosts);
        let role = if self.random.chance(50) {
            Role::Admin
        } else {
            Role::Editor
        };
        let wrong_codes = if self.random.chance(25) {
            self.random.between(1, 2) as u8
        } else {
            0
        };
        if self.chaos && self.random.chance(10) {
            self.fault("wrong invitation code");
            self.peers[index].persons[0].join("not-an-invitation-code".into());
            self.pump(index, 0, 0);
        }
        let attempt = Attempt {
            host,
            since: self.now(),
            invited: None,
            joining: false,
            guest: None,
            typed_with_tries: None,
            wrong_codes,
            cancelled: false,
        };
        self.joining.attempts.insert(index, attempt);
        self.peers[host].persons[0].invite(space, role);
        self.pump(host, 0, 0);
    }

    fn enter_code(&mut self, index: usize, invited: &InvitationView) {
        if let Some(attempt) = self.joining.attempts.get_mut(&index) {
            attempt.joining = true;
        }
        self.network.tap.watch(invited.code.as_bytes());
        self.network.tap.watch(invited.auth_code.as_bytes());
        self.peers[index].persons[0].join(invited.code.clone());
        self.pump(index, 0, 0);
        if self.chaos && self.random.chance(6) {
            let host = self.joining.attempts[&index].host;
            self.fault("invitation cancelled");
            self.peers[host].persons[0].cancel(invited.invitation);
            self.pump(host, 0, 0);
        }
    }

    fn type_code(&mut self, index: usize, id: InvitationId, tries: u8, code: &str) {
        let Some(attempt) = self.joining.attempts.get_mut(&index) else {
            return;
        };
        attempt.typed_with_tries = Some(tries);
        if self.chaos && self.random.chance(4) {
            attempt.cancelled = true;
            self.fault("join cancelled");
            self.peers[index].persons[0].cancel(id);
            return self.pump(index, 0, 0);
        }
        let wrong = attempt.wrong_codes > 0;
        attempt.wrong_codes = attempt.wrong_codes.saturating_sub(1);
        let typed = if wrong {
            if code == "123456" { "654321" } else { "123456" }
        } else {
            code
        }
        .to_owned();
        if wrong {
            self.fault("wrong auth code");
        }
        self.peers[index].persons[0].authenticate(id, typed);
        self.pump(index, 0, 0);
    }

    fn give_up(&mut self, index: usize) {
        let Some(attempt) = self.joining.attempts.remove(&index) else {
            return;
        };
        crate::tap::count(&mut self.notes, "joins given up");
        self.say(|| {
            let guest = attempt.guest.and_then(|id| self.invitation(index, id));
            format!("peer {index} gives up joining: {guest:?}")
        });
        if let Some(id) = attempt.guest {
            self.peers[index].persons[0].cancel(id);
            self.pump(index, 0, 0);
        }
        if let Some(invited) = attempt.invited {
            self.peers[attempt.host].persons[0].cancel(invited.invitation);
            self.pump(attempt.host, 0, 0);
        }
    }

    /// A host's invitation was made, or not.
    pub fn invited(&mut self, host: usize, result: Result<InvitationView, Failure>) {
        let waits = |attempt: &Attempt| attempt.host == host && attempt.invited.is_none();
        let Some(attempt) = self
            .joining
            .attempts
            .values_mut()
            .find(|attempt| waits(attempt))
        else {
            return;
        };
        match result {
            Ok(view) => attempt.invited = Some(view),
            Err(_) => attempt.cancelled = true,
        }
    }

    /// A join began, or not.
    pub fn join_began(&mut self, guest: usize, result: Result<InvitationView, Failure>) {
        match result {
            Ok(view) => {
                if let Some(attempt) = self.joining.attempts.get_mut(&guest) {
                    attempt.guest = Some(view.invitation);
                }
            }
            Err(failure) => {
                let joining = self
                    .joining
                    .attempts
                    .get(&guest)
                    .is_some_and(|attempt| attempt.joining);
                if joining
                    && failure.kind != FailureKind::Invitation
                    && let Some(attempt) = self.joining.attempts.get_mut(&guest)
                {
                    attempt.cancelled = true;
                }
            }
        }
    }
}
