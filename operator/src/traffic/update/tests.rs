use super::*;

fn class(code: ResponseCode, tsig_error: Option<TsigError>) -> Option<RefusalClass> {
    match verdict(code, tsig_error) {
        Delivery::Refused { class, .. } => Some(class),
        _ => None,
    }
}

#[test]
fn each_response_code_has_its_meaning() {
    use ResponseCode as R;
    assert_eq!(verdict(R::NoError, None), Delivery::Applied);
    for code in [R::NXRRSet, R::YXRRSet, R::NXDomain, R::YXDomain] {
        assert_eq!(verdict(code, None), Delivery::Unmet(code));
    }
    assert_eq!(verdict(R::ServFail, None), Delivery::Failed(R::ServFail));
    for error in [TsigError::BadKey, TsigError::BadSig, TsigError::BadTrunc] {
        assert_eq!(class(R::NotAuth, Some(error)), Some(RefusalClass::BadKey));
    }
    assert_eq!(class(R::NotAuth, Some(TsigError::BadTime)), Some(RefusalClass::BadTime));
    assert_eq!(class(R::NotAuth, None), Some(RefusalClass::Denied));
    assert_eq!(class(R::Refused, None), Some(RefusalClass::Denied));
    for code in [R::NotZone, R::FormErr, R::NotImp] {
        assert_eq!(class(code, None), Some(RefusalClass::Invalid));
    }
}

fn primary() -> Primary {
    let key = TsigKey::new("k", "hmac-sha256", "bWljZSBlYXQgdGhlIG1vb24gYXQgbmlnaHQh").unwrap();
    Primary::new(([127, 0, 0, 1], 53).into(), &"app.test.".into(), key).unwrap()
}

/// Anyone on the way can make a success up; without the signature it must not be believed.
#[test]
fn an_unsigned_success_is_no_success() {
    let signed = primary().sign(&Change::default()).unwrap();
    let answer = Message::error_msg(signed.id, OpCode::Update, ResponseCode::NoError).to_vec().unwrap();
    assert!(matches!(judge(signed, &answer), Delivery::Lost(_)));
}

#[test]
fn an_answer_to_another_message_is_none() {
    let signed = primary().sign(&Change::default()).unwrap();
    let other = signed.id.wrapping_add(1);
    let answer = Message::error_msg(other, OpCode::Update, ResponseCode::NXRRSet).to_vec().unwrap();
    assert!(matches!(judge(signed, &answer), Delivery::Lost(_)));
}

#[test]
fn a_long_list_of_foreign_names_is_cut() {
    let foreign: Vec<Foreign> = (0..10).map(|n| Foreign { name: format!("n{n}."), owner: None }).collect();
    let sentence = foreign_sentence(&foreign);
    assert!(sentence.contains("n7. ") && !sentence.contains("n8.") && sentence.contains("and 2 more"));
}
