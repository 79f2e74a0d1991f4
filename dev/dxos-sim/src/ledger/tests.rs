//! Tests of the ledger: what counts as a lost edit and what does not.

use super::*;

const PEER: usize = 0;
const OTHER: usize = 1;

fn space() -> SpaceId {
    SpaceId([1; 20])
}

fn object() -> ObjectId {
    ObjectId([2; 16])
}

fn address() -> TextAddress {
    TextAddress {
        space: space(),
        object: object(),
        property: "text".into(),
    }
}

fn register() -> Register {
    (space(), object(), "count".into())
}

fn view(value: Option<i64>, shown: bool) -> Vec<ObjectView> {
    vec![ObjectView {
        shown,
        values: value
            .map(|value| ("count".to_owned(), Value::Int(value)))
            .into_iter()
            .collect(),
        ..ObjectView::new(object(), "")
    }]
}

#[test]
fn typed_characters_are_all_different_and_of_both_lengths() {
    let mut ledger = Ledger::default();
    let text = ledger.type_text(600);
    let distinct: BTreeSet<char> = text.chars().collect();
    assert_eq!(distinct.len(), 600);
    assert!(text.chars().all(is_typed));
    assert!(text.chars().any(|c| c.len_utf16() == 1) && text.chars().any(|c| c.len_utf16() == 2));
    assert!(!"Kanarienvogel é 😀".chars().any(is_typed));
}

#[test]
fn lost_doubled_revived_and_foreign_characters_are_noticed() {
    let mut ledger = Ledger::default();
    let typed = ledger.type_text(3);
    let chars: Vec<char> = typed.chars().collect();
    let first = ledger.text(PEER, address(), "", &typed);
    assert_eq!(
        ledger.check_text(&address(), ""),
        Ok(()),
        "not acknowledged yet"
    );
    ledger.acknowledged(first, 1);
    assert_eq!(ledger.check_text(&address(), &typed), Ok(()));
    assert!(
        ledger
            .check_text(&address(), &typed[..chars[0].len_utf8()])
            .is_err(),
        "lost"
    );
    assert!(
        ledger
            .check_text(&address(), &format!("{typed}{}", chars[1]))
            .is_err(),
        "doubled"
    );
    let stranger = ledger.type_text(1);
    assert!(
        ledger
            .check_text(&address(), &format!("{typed}{stranger}"))
            .is_err(),
        "foreign"
    );

    let rest: String = chars[1..].iter().collect();
    let deletion = ledger.text(OTHER, address(), &typed, &rest);
    assert_eq!(
        ledger.check_text(&address(), &typed),
        Ok(()),
        "a deletion without answer may be there or not"
    );
    assert_eq!(ledger.check_text(&address(), &rest), Ok(()));
    ledger.acknowledged(deletion, 1);
    assert!(ledger.check_text(&address(), &typed).is_err(), "revived");
    ledger.refused(deletion);
    assert!(
        ledger.check_text(&address(), &rest).is_err(),
        "a refused deletion deletes nothing"
    );
    ledger.power_lost(PEER, 0);
    assert_eq!(
        ledger.check_text(&address(), ""),
        Ok(()),
        "power loss takes what was not synced"
    );
}

#[test]
fn a_value_someone_saw_and_replaced_never_comes_back() {
    let mut ledger = Ledger::default();
    let int = |n| Some(Value::Int(n));
    let first = ledger.property(PEER, register(), int(1), None, &[]);
    ledger.acknowledged(first, 1);
    assert!(
        ledger.check_objects(space(), &view(None, true)).is_err(),
        "an acknowledged value is gone"
    );
    let second = ledger.property(OTHER, register(), int(2), Some(&Value::Int(1)), &[]);
    assert_eq!(
        ledger.check_objects(space(), &view(Some(1), true)),
        Ok(()),
        "no answer yet"
    );
    ledger.acknowledged(second, 1);
    assert!(
        ledger.check_objects(space(), &view(Some(1), true)).is_err(),
        "replaced"
    );
    assert_eq!(ledger.check_objects(space(), &view(Some(2), true)), Ok(()));
    let concurrent = ledger.property(PEER, register(), int(3), None, &[first]);
    ledger.acknowledged(concurrent, 2);
    assert_eq!(
        ledger.check_objects(space(), &view(Some(2), true)),
        Ok(()),
        "either of two concurrent ones"
    );
    assert_eq!(ledger.check_objects(space(), &view(Some(3), true)), Ok(()));
    assert!(
        ledger.check_objects(space(), &view(Some(9), true)).is_err(),
        "out of nowhere"
    );
    let removal = ledger.property(PEER, register(), None, None, &[concurrent]);
    ledger.acknowledged(removal, 3);
    assert_eq!(ledger.check_objects(space(), &view(None, true)), Ok(()));
}

#[test]
fn creations_and_deletions_are_followed() {
    let mut ledger = Ledger::default();
    let create = ledger.create(PEER, space(), object());
    assert_eq!(ledger.check_objects(space(), &[]), Ok(()));
    ledger.acknowledged(create, 1);
    assert!(ledger.check_objects(space(), &[]).is_err(), "gone");
    let delete = ledger.show(PEER, space(), object(), false, &[]);
    assert_eq!(ledger.check_objects(space(), &view(None, true)), Ok(()));
    ledger.acknowledged(delete, 2);
    assert!(
        ledger.check_objects(space(), &view(None, true)).is_err(),
        "a deletion that lasts"
    );
    let restore = ledger.show(PEER, space(), object(), true, &[delete]);
    ledger.acknowledged(restore, 3);
    assert!(
        ledger.check_objects(space(), &view(None, false)).is_err(),
        "a restore that lasts"
    );
    assert_eq!(ledger.check_objects(space(), &view(None, true)), Ok(()));
    assert_eq!(ledger.lasting(), 3);
}

fn shows(name: &str, value: Option<Value>) -> Vec<ObjectView> {
    let values = value.map(|value| (name.to_owned(), value));
    vec![ObjectView {
        values: values.into_iter().collect(),
        ..ObjectView::new(object(), "")
    }]
}

fn numbers(of: &[i64]) -> Option<Value> {
    Some(Value::List(of.iter().map(|n| Value::Int(*n)).collect()))
}

#[test]
fn steps_count_once_and_those_without_an_answer_may() {
    let votes = || (space(), object(), VOTES.to_owned());
    let mut ledger = Ledger::default();
    let steps = [2, 3, 1, 7].map(|by| ledger.step(PEER, votes(), by));
    ledger.acknowledged(steps[0], 4);
    ledger.acknowledged(steps[1], 5);
    ledger.refused(steps[3]);
    let check = |ledger: &Ledger, count| {
        let views = shows(VOTES, Some(Value::Counter(count)));
        ledger.check_objects(space(), &views).is_ok()
    };
    let fits = |ledger: &Ledger| (0..20).filter(|n| check(ledger, *n)).collect::<Vec<_>>();
    assert_eq!(fits(&ledger), [5, 6]);
    ledger.power_lost(PEER, 4);
    assert_eq!(fits(&ledger), [2, 3, 4, 5, 6]);
    assert!(ledger.check_objects(space(), &shows(VOTES, None)).is_err());
}

#[test]
fn lost_doubled_revived_and_refused_elements_are_noticed() {
    let list = || (space(), object(), ITEMS.to_owned());
    let mut ledger = Ledger::default();
    let kept = ledger.item(PEER, list(), Some(1), None);
    let taken = ledger.item(PEER, list(), Some(2), None);
    let sent = ledger.item(OTHER, list(), Some(3), None);
    let refused = ledger.item(OTHER, list(), Some(4), None);
    ledger.acknowledged(kept, 1);
    ledger.acknowledged(taken, 1);
    ledger.refused(refused);
    let fits = |ledger: &Ledger, of: &[i64]| {
        let views = shows(ITEMS, numbers(of));
        ledger.check_objects(space(), &views).is_ok()
    };
    assert!(fits(&ledger, &[2, 1]) && fits(&ledger, &[1, 3, 2]));
    assert!(!fits(&ledger, &[1]), "2 is lost");
    assert!(!fits(&ledger, &[1, 2, 1]), "1 shows twice");
    assert!(!fits(&ledger, &[1, 2, 4]), "4 was refused");
    assert!(!fits(&ledger, &[1, 2, 9]), "nobody wrote 9");
    let removal = ledger.item(OTHER, list(), None, Some(2));
    assert!(
        fits(&ledger, &[1]) && fits(&ledger, &[1, 2]),
        "not answered"
    );
    ledger.acknowledged(removal, 1);
    assert!(fits(&ledger, &[1]) && !fits(&ledger, &[1, 2]));
    ledger.acknowledged(sent, 1);
    assert!(!fits(&ledger, &[1]) && fits(&ledger, &[3, 1]));
}
