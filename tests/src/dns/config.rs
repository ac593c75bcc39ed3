//! Knot's configuration and the first contents of a zone.

use std::{fmt::Write, path::Path};

use super::{DnsPlan, TSIG_ALGORITHM, TsigKey};

/// Which of the servers is described.
pub(super) struct Shape<'a> {
    pub(super) plan: &'a DnsPlan,
    pub(super) primary: usize,
    pub(super) index: usize,
    pub(super) folder: &'a Path,
}

/// The configuration of one server.
pub(super) fn render(shape: &Shape, update: &TsigKey, transfer: &TsigKey) -> String {
    let mut text = base(shape);
    text.push_str("key:\n");
    for key in [update, transfer] {
        let (name, secret) = (&key.name, &key.secret);
        append(
            &mut text,
            format_args!("  - id: {name}\n    algorithm: {TSIG_ALGORITHM}\n    secret: {secret}\n"),
        );
    }
    text.push_str("remote:\n");
    let transfer = &transfer.name;
    for (index, (region, address)) in shape.plan.servers.iter().enumerate() {
        if index != shape.index {
            let port = shape.plan.port;
            append(
                &mut text,
                format_args!("  - id: {region}\n    address: {address}@{port}\n    key: {transfer}\n"),
            );
        }
    }
    let update = &update.name;
    append(
        &mut text,
        format_args!(
            "\
acl:
  - id: update
    key: {update}
    action: [update, transfer]
  - id: transfer
    key: {transfer}
    action: transfer
  - id: notify
    key: {transfer}
    action: notify
"
        ),
    );
    text.push_str(&zones(shape));
    text
}

/// Few threads, as dozens of these servers share a machine in tests. The zone file is written at once,
/// so a killed server comes back with what it had acknowledged.
fn base(shape: &Shape) -> String {
    let folder = shape.folder.display();
    let (address, port) = (shape.plan.servers[shape.index].1, shape.plan.port);
    format!(
        "\
server:
    rundir: {folder}
    listen: {address}@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 2
control:
    listen: {folder}/knot.sock
log:
  - target: stderr
    any: info
database:
    storage: {folder}/db
    journal-db-max-size: 64M
    kasp-db-max-size: 16M
    timer-db-max-size: 16M
    catalog-db-max-size: 16M
template:
  - id: default
    storage: {folder}/zones
    file: \"%s.zone\"
    journal-content: changes
    zonefile-sync: 0
"
    )
}

fn zones(shape: &Shape) -> String {
    let plan = shape.plan;
    let role = if shape.index == shape.primary {
        let others: Vec<&str> = plan
            .servers
            .iter()
            .filter(|(region, _)| *region != plan.primary)
            .map(|(r, _)| r.as_str())
            .collect();
        format!("    notify: [{}]\n    acl: [update, transfer]\n", others.join(", "))
    } else {
        format!("    master: {}\n    acl: [notify, transfer]\n", plan.primary)
    };
    let mut text = "zone:\n".to_owned();
    for zone in &plan.zones {
        append(&mut text, format_args!("  - domain: {zone}\n{role}"));
    }
    text
}

/// SOA and name servers, with the times the documentation asks for: a secondary looks after 60 s, and
/// serves for two weeks without the primary; a missing name is remembered for 30 s.
pub(super) fn zone_file(plan: &DnsPlan, zone: &str) -> String {
    let mut text = format!("$ORIGIN {zone}.\n$TTL 300\n");
    let primary = &plan.primary;
    append(&mut text, format_args!("@ SOA ns-{primary} hostmaster 1 60 30 1209600 30\n"));
    for (region, address) in &plan.servers {
        append(&mut text, format_args!("@ NS ns-{region}\nns-{region} A {address}\n"));
    }
    text
}

fn append(text: &mut String, arguments: std::fmt::Arguments) {
    // Writing to a string cannot fail.
    let _ = text.write_fmt(arguments);
}
