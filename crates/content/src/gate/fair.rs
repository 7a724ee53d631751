//! A queue in which each client has its turn, however many requests another one sends.
//!
//! One queue for each client, served in turns, and from a full one the newest of the longest is dropped: fair queueing (Nagle,
//! "On Packet Switches with Infinite Storage", RFC 970, 1985; McKenney, "Stochastic Fairness Queueing", INFOCOM 1990). A client
//! that asks for more than its share waits behind itself, and crowds itself out.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
};

use super::Shed;

/// Who asks: by its address; `None` for work of the process's own.
pub(crate) type Client = Option<IpAddr>;

/// What waits.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    waiting: HashMap<Client, VecDeque<T>>,
    /// Whose turn it is, of those who have something waiting.
    turns: VecDeque<Client>,
    len: usize,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self {
            waiting: HashMap::new(),
            turns: VecDeque::new(),
            len: 0,
        }
    }
}

impl<T> FairQueue<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Why one more of that client would be dropped first, if it would: it has as much waiting as any.
    pub(super) fn would_drop(&self, client: Client) -> Option<Shed> {
        let own = self.waiting.get(&client).map_or(0, VecDeque::len);
        let others = self.waiting.iter().filter(|(other, _)| **other != client);
        match others.map(|(_, waiting)| waiting.len()).max() {
            None => Some(Shed::QueueFull),
            Some(longest) if longest <= own + 1 => Some(Shed::FairShare),
            Some(_) => None,
        }
    }

    pub(super) fn push(&mut self, client: Client, one: T) {
        let waiting = self.waiting.entry(client).or_default();
        if waiting.is_empty() {
            self.turns.push_back(client);
        }
        waiting.push_back(one);
        self.len += 1;
    }

    /// The oldest of the client whose turn it is.
    pub(super) fn pop(&mut self) -> Option<T> {
        let client = self.turns.pop_front()?;
        let waiting = self.waiting.get_mut(&client)?;
        let one = waiting.pop_front();
        if waiting.is_empty() {
            self.waiting.remove(&client);
        } else {
            self.turns.push_back(client);
        }
        self.len -= 1;
        one
    }

    /// The newest of the client that has most.
    pub(super) fn drop_of_longest(&mut self) -> Option<T> {
        let longest = self.waiting.iter().max_by_key(|(_, waiting)| waiting.len());
        let client = *longest?.0;
        let waiting = self.waiting.get_mut(&client)?;
        let one = waiting.pop_back();
        if waiting.is_empty() {
            self.waiting.remove(&client);
            self.turns.retain(|turn| *turn != client);
        }
        self.len -= 1;
        one
    }

    /// Drops what need not wait any more.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        for waiting in self.waiting.values_mut() {
            waiting.retain(&mut keep);
        }
        self.waiting.retain(|_, waiting| !waiting.is_empty());
        let waiting = &self.waiting;
        self.turns.retain(|client| waiting.contains_key(client));
        self.len = self.waiting.values().map(VecDeque::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::{Client, FairQueue, Shed};

    fn client(number: u8) -> Client {
        Some([10, 0, 0, number].into())
    }

    #[test]
    fn clients_take_turns_and_each_is_served_in_its_own_order() {
        let mut queue = FairQueue::default();
        for number in 0..4 {
            queue.push(client(1), (1, number));
        }
        queue.push(client(2), (2, 0));
        queue.push(client(3), (3, 0));
        queue.push(client(2), (2, 1));
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        let expected = [(1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (1, 2), (1, 3)];
        assert_eq!(order, expected);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn the_newest_of_who_has_most_is_dropped() {
        let mut queue = FairQueue::default();
        queue.push(client(1), (1, 0));
        assert_eq!(queue.would_drop(client(1)), Some(Shed::QueueFull));
        for number in 0..3 {
            queue.push(client(2), (2, number));
        }
        assert_eq!(queue.would_drop(client(2)), Some(Shed::FairShare));
        assert_eq!(
            queue.would_drop(client(1)),
            None,
            "it would have two, the other has three"
        );
        assert_eq!(queue.would_drop(client(3)), None);
        assert_eq!(queue.drop_of_longest(), Some((2, 2)));
        assert_eq!(queue.drop_of_longest(), Some((2, 1)));
        assert_eq!(queue.len(), 2);
        queue.drop_of_longest();
        queue.drop_of_longest();
        assert_eq!((queue.len(), queue.drop_of_longest()), (0, None));
        queue.push(client(1), (1, 1));
        assert_eq!(queue.pop(), Some((1, 1)));
    }

    #[test]
    fn what_need_not_wait_leaves_and_turns_go_on() {
        let mut queue = FairQueue::default();
        for number in 0..6u8 {
            queue.push(client(number % 3), number);
        }
        queue.retain(|number| number % 3 != 1 && *number != 0);
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, [3, 2, 5]);
    }
}
