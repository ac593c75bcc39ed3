use super::*;

fn at(second: u32) -> DateTime<Utc> {
    format!("2026-11-21T12:00:{second:02}Z").parse().unwrap()
}

#[test]
fn the_transition_time_moves_only_with_the_status() {
    let mut conditions = Vec::new();
    assert!(set(&mut conditions, READY, true, ("Reconciled", "all is well"), Some(1), at(1)));
    assert!(!set(&mut conditions, READY, true, ("Reconciled", "all is well"), Some(1), at(2)), "nothing new");
    assert!(set(&mut conditions, READY, true, ("Reconciled", "all is well"), Some(2), at(3)), "a generation");
    assert_eq!(time::from_k8s(&conditions[0].last_transition_time), at(1));
    assert!(set(&mut conditions, READY, false, ("Invalid", "fix it"), Some(2), at(4)));
    assert_eq!(time::from_k8s(&conditions[0].last_transition_time), at(4));
    assert_eq!(conditions.len(), 1);
}

#[test]
fn conditions_stand_side_by_side() {
    let mut conditions = Vec::new();
    set(&mut conditions, READY, true, ("Reconciled", ""), None, at(1));
    set(&mut conditions, AVAILABLE, Truth::Unknown, ("NoReports", ""), None, at(1));
    let said: Vec<_> = conditions.iter().map(|condition| (&*condition.type_, &*condition.status)).collect();
    assert_eq!(said, [("Ready", "True"), ("Available", "Unknown")]);
}
