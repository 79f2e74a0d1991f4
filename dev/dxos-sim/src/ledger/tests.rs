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
