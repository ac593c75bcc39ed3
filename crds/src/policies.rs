//! Admission policies: what the API server refuses that a schema cannot see.

use serde_json::{Value, json};

/// Name of the policy that holds the register, and of its binding.
pub const REGISTER_DELETION: &str = "lifeboat-register-deletion";

/// Every policy with its binding, by file name.
pub(crate) fn all() -> [(&'static str, [Value; 2]); 1] {
    [(REGISTER_DELETION, register_deletion())]
}

/// Nobody deletes a register, unless its namespace goes. Taking the definition away passes this by: a definition's
/// clean-up is no request. Against that there is the finalizer.
fn register_deletion() -> [Value; 2] {
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": { "name": REGISTER_DELETION },
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [{
                    "apiGroups": [crate::STATE_GROUP],
                    "apiVersions": ["*"],
                    "operations": ["DELETE"],
                    "resources": ["fleetstates"],
                }],
            },
            "validations": [{
                "expression": "namespaceObject != null && has(namespaceObject.metadata.deletionTimestamp)",
                "message": "this is the fleet's register: without it Lifeboat moves nothing. Delete the namespace, or \
                            delete this policy's binding first",
                "reason": "Forbidden",
            }],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": { "name": REGISTER_DELETION },
        "spec": { "policyName": REGISTER_DELETION, "validationActions": ["Deny"] },
    });
    [policy, binding]
}
