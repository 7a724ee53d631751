//! One thread per stack that spawns its servers.
//!
//! The kernel's parent-death signal is sent when the parent *thread* ends, not the process. A server spawned by a
//! short-lived test thread would die with it, so all of a stack's servers are children of this thread, which lives as
//! long as the stack. The process as a whole still reaps them.

use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::error::{During, Error, Result};

struct Job {
    command: Command,
    reply: Sender<io::Result<Child>>,
}

#[derive(Debug)]
struct Running {
    jobs: Sender<Job>,
    thread: JoinHandle<()>,
}

/// The thread that is the parent of a stack's servers.
#[derive(Debug)]
pub(crate) struct Spawner {
    running: Mutex<Option<Running>>,
}

impl Spawner {
    pub(crate) fn start() -> Result<Self> {
        let (jobs, queue) = channel::<Job>();
        let body = move || {
            for mut job in queue {
                let _ = job.reply.send(job.command.spawn());
            }
        };
        let builder = thread::Builder::new().name("devstack-spawner".to_owned());
        let thread = builder.spawn(body).during(|| "start a thread".to_owned())?;
        Ok(Self {
            running: Mutex::new(Some(Running { jobs, thread })),
        })
    }

    /// Spawns a process whose parent is this thread.
    pub(crate) fn spawn(&self, command: Command) -> Result<Child> {
        let (reply, answer) = channel();
        {
            let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            let running = running.as_ref().ok_or(Error::Gone)?;
            running
                .jobs
                .send(Job { command, reply })
                .map_err(|_| Error::Gone)?;
        }
        let spawned = answer.recv().map_err(|_| Error::Gone)?;
        spawned.during(|| "start a server process".to_owned())
    }

    /// Ends the thread; the kernel then kills what is still tied to it.
    pub(crate) fn close(&self) {
        let running = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(Running { jobs, thread }) = running {
            drop(jobs);
            let _ = thread.join();
        }
    }
}
