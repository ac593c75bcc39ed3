use super::Versions;

#[test]
fn go_mod_names_the_folder_and_the_linker_flags() {
    let module = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/tools/go/go.mod");
    let versions = Versions::read(module.as_ref()).unwrap();
    assert_eq!(versions.folder(), format!("kubernetes-{}-etcd-{}", versions.kubernetes, versions.etcd));
    assert!(
        versions.kubernetes.starts_with("v1.") && versions.etcd.starts_with("v3."),
        "{}",
        versions.folder()
    );
    let flags = versions.linker_flags();
    assert!(flags.contains(&format!("version.gitVersion={} ", versions.kubernetes)), "{flags}");
    assert!(flags.contains("version.gitMajor=1 "), "{flags}");
    assert!(versions.go.starts_with("1."), "{}", versions.go);
}

#[test]
fn go_mod_without_a_version_is_an_error_that_names_it() {
    let file = std::env::temp_dir().join(format!("lifeboat-xtask-go.mod.{}", std::process::id()));
    std::fs::write(&file, "module x\n\ngo 1.26.0\n\nrequire (\n\tk8s.io/kubernetes v1.36.3\n)\n").unwrap();
    let error = Versions::read(&file).err().map(|e| e.to_string()).unwrap_or_default();
    std::fs::remove_file(&file).unwrap();
    assert!(error.contains("does not say the version of go.etcd.io/etcd/server/v3"), "{error}");
}
