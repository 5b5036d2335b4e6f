//! Any sequence of events, against proxies that behave as Envoy was seen to.
//!
//! The model proxy holds what it was sent, reports it when it reconnects, and drops its held
//! connections when it is told to forget a cluster that it does not have: that is the loss the
//! rules exist to prevent.

use proptest::prelude::*;

use super::*;

const PROXIES: usize = 2;

/// What a proxy makes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Accepts,
    Refuses,
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Connect(usize),
    Disconnect(usize),
    Subscribe(usize),
    Unsubscribe(usize),
    Read(usize, Verdict),
    Hold,
    Point,
    Release,
    /// Somebody reads the store late.
    ApplyOlder,
    /// The control plane is killed and another starts from the store.
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    let proxy = 0..PROXIES;
    prop_oneof![
        4 => proxy.clone().prop_map(Event::Connect),
        1 => proxy.clone().prop_map(Event::Disconnect),
        4 => proxy.clone().prop_map(Event::Subscribe),
        1 => proxy.clone().prop_map(Event::Unsubscribe),
        8 => proxy.clone().prop_map(|proxy| Event::Read(proxy, Verdict::Accepts)),
        1 => proxy.prop_map(|proxy| Event::Read(proxy, Verdict::Refuses)),
        3 => Just(Event::Hold),
        1 => Just(Event::Point),
        3 => Just(Event::Release),
        1 => Just(Event::ApplyOlder),
        1 => Just(Event::Restart),
    ]
}

/// An Envoy: what it has, and what is on its way to it.
#[derive(Debug, Default)]
struct Proxy {
    stream: Option<StreamId>,
    has: Option<u64>,
    newest_sent: u64,
    inbox: Vec<Message>,
    removals_of_hold: u32,
}

struct World {
    index: Index,
    stored: Route,
    proxies: [Proxy; PROXIES],
}

impl World {
    fn new() -> Self {
        let mut index = Index::default();
        index.apply(vec![open(1)]);
        Self { index, stored: open(1), proxies: <[Proxy; PROXIES]>::default() }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Connect(proxy) => self.connect(proxy),
            Event::Disconnect(proxy) => self.disconnect(proxy),
            Event::Subscribe(proxy) => self.say(proxy, subscribe()),
            Event::Unsubscribe(proxy) => {
                self.proxies[proxy].has = None;
                self.proxies[proxy].inbox.clear();
                self.say(proxy, Said { unsubscribe: vec![orders()], ..Said::default() });
            }
            Event::Read(proxy, verdict) => self.read(proxy, verdict),
            Event::Hold => self.store(Traffic::Held),
            Event::Point if self.stored.traffic == Traffic::Held => self.store(Traffic::Held),
            Event::Point => {}
            Event::Release => self.store(Traffic::Open),
            Event::ApplyOlder => {
                let older = Route { epoch: self.stored.epoch - 1, ..open(1) };
                let messages = self.index.apply(vec![older]);
                assert_eq!(messages, [], "an older route is not news");
            }
            Event::Restart => self.restart(),
        }
    }

    fn connect(&mut self, number: usize) {
        if self.proxies[number].stream.is_some() {
            return;
        }
        let proxy = &mut self.proxies[number];
        let id = self.index.connect(format!("proxy-{number}"), at(0));
        proxy.stream = Some(id);
        proxy.removals_of_hold = 0;
        let said = proxy.has.map_or_else(subscribe, |epoch| subscribe_having(&epoch.to_string()));
        self.say(number, said);
    }

    fn disconnect(&mut self, number: usize) {
        let Some(id) = self.proxies[number].stream.take() else { return };
        self.proxies[number].inbox.clear();
        self.index.disconnect(id, at(0));
    }

    fn restart(&mut self) {
        self.index = Index::default();
        self.index.apply(vec![self.stored.clone()]);
        for proxy in &mut self.proxies {
            proxy.stream = None;
            proxy.inbox.clear();
        }
    }

    fn store(&mut self, traffic: Traffic) {
        let new_hold = self.stored.traffic == Traffic::Open && traffic == Traffic::Held;
        self.stored = Route { traffic, epoch: self.stored.epoch + 1, ..self.stored.clone() };
        if new_hold {
            for proxy in &mut self.proxies {
                proxy.removals_of_hold = 0;
            }
        }
        let messages = self.index.apply(vec![self.stored.clone()]);
        self.send(messages);
    }

    fn say(&mut self, proxy: usize, said: Said) {
        if let Some(id) = self.proxies[proxy].stream {
            let messages = self.index.hear(id, said, at(0));
            self.send(messages);
        }
    }

    /// The laws of what may be sent, checked at the moment of sending.
    fn send(&mut self, messages: Vec<Addressed>) {
        for (id, message) in messages {
            let proxy = self.proxies.iter_mut().find(|proxy| proxy.stream == Some(id));
            let proxy = proxy.expect("only streams that are up are written to");
            match &message.told {
                Told::Cluster(rendered) => {
                    let route = &rendered.route;
                    assert_eq!(self.stored.traffic, Traffic::Open, "a cluster while held");
                    assert_eq!(*route, self.stored, "something else than what is stored");
                    assert!(route.epoch >= proxy.newest_sent, "an epoch went back");
                    proxy.newest_sent = route.epoch;
                }
                Told::Removal(epoch) => {
                    assert_eq!(self.stored.traffic, Traffic::Held, "a removal while open");
                    assert!(*epoch >= proxy.newest_sent, "an epoch went back");
                    proxy.newest_sent = *epoch;
                    proxy.removals_of_hold += 1;
                    assert_eq!(proxy.removals_of_hold, 1, "a second removal in one hold");
                }
            }
            proxy.inbox.push(message);
        }
    }

    fn read(&mut self, number: usize, verdict: Verdict) {
        let proxy = &mut self.proxies[number];
        if proxy.inbox.is_empty() {
            return;
        }
        let message = proxy.inbox.remove(0);
        let removal = matches!(message.told, Told::Removal(_));
        assert!(!removal || proxy.has.is_some(), "a removal dropped held connections");
        match (message.told, verdict) {
            (Told::Cluster(rendered), Verdict::Accepts) => proxy.has = Some(rendered.route.epoch),
            (Told::Removal(_), Verdict::Accepts) => proxy.has = None,
            (Told::Cluster(_) | Told::Removal(_), Verdict::Refuses) => {}
        }
        let answer = match verdict {
            Verdict::Accepts => accept(message.nonce),
            Verdict::Refuses => refuse(message.nonce),
        };
        self.say(number, answer);
    }

    /// After everything on its way has been accepted, each connected proxy does what is stored.
    fn come_to_rest(&mut self) {
        for number in 0..PROXIES {
            self.connect(number);
            self.say(number, Said::default());
            while !self.proxies[number].inbox.is_empty() {
                self.read(number, Verdict::Accepts);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_leaks_drops_or_goes_back(events in prop::collection::vec(event(), 1..80)) {
        let mut world = World::new();
        for event in events {
            world.happen(event);
        }
        // A new hold and release, so that whatever was refused or dropped before is over.
        world.store(Traffic::Open);
        world.happen(Event::Subscribe(0));
        world.happen(Event::Subscribe(1));
        world.come_to_rest();
        prop_assert!(world.proxies.iter().all(|proxy| proxy.has == Some(world.stored.epoch)));
        world.store(Traffic::Held);
        world.come_to_rest();
        prop_assert!(world.proxies.iter().all(|proxy| proxy.has.is_none()));
        world.store(Traffic::Held);
        let epoch = world.stored.epoch;
        let listed = world.index.proxies(&orders(), at(0));
        prop_assert!(listed.iter().all(|proxy| proxy.follows(epoch)), "{listed:?}");
    }
}
