//! A real etcd, kube-apiserver, DNS and stamps on one machine, and what scenarios need to use them.
//!
//! Everything listens on loopback only. Every child process ends with the process that started it,
//! however that ends: see [`process`].

pub mod apiserver;
pub mod demo;
pub mod dns;
pub mod etcd;
pub mod manifests;
pub mod net;
pub mod pki;
pub mod process;
pub mod quickstart;
pub mod region;
pub mod replica;
pub mod run_dir;
pub mod scenario;
pub mod stamps_http;
pub mod state;
pub mod tools;
pub mod up;
pub mod wait;
pub mod world;
