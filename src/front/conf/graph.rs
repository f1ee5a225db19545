//! The names of services in a plan file → the services: which one is after which.

use super::faults::Fault;
use super::nearest::nearest;
use super::{NO_LINE, Reader};
use crate::plan::{Key, NO_SERVICE, Place, Service, Type, names};
use crate::words::list::array;

/// The most dependencies: `after` between two sections makes one for each pair of their instances.
const EDGES_MAX: u32 = 1 << 24;

/// Which service is after which.
struct Graph<'a> {
    /// Where each service's share of the edges begins, then the end of all.
    begins: &'a mut [u32],
    /// The services that each one is after.
    edges: &'a mut [Place],
}

impl Graph<'_> {
    /// Records that one service is after the other; while there is no room for edges yet, only counts it.
    #[inline(never)]
    fn edge(&mut self, dependent: Place, before: Place) {
        let Some(begin) = self.begins.get_mut(usize::from(dependent)) else {
            return;
        };
        if self.edges.is_empty() {
            *begin = begin.saturating_add(1);
            return;
        }
        *begin -= 1;
        if let Some(edge) = self.edges.get_mut(*begin as usize) {
            *edge = before;
        }
    }
}

impl<'a> Reader<'_, '_, 'a> {
    /// Turns what the sections say of each other into the services' [`crate::plan::Service::after`].
    pub(super) fn dependencies(&mut self, services: &mut [Service<'a>]) {
        let mut line = 0;
        for service in &*services {
            if service.line != line && service.copy > 1 {
                (self.section, self.at.line) = (service.name, service.line);
                self.fault(Fault::Section);
            }
            line = service.line;
        }
        let mut graph = Graph {
            begins: array(0, services.len() + 1),
            edges: &mut [],
        };
        self.each_dependency(services, &mut graph);
        // Each count becomes the end of a share; filling in an edge moves that towards the beginning.
        let mut end = 0;
        for count in &mut *graph.begins {
            end = count.saturating_add(end);
            *count = end;
        }
        if end > EDGES_MAX {
            self.leave_sections();
            return self.fault(Fault::Dependencies);
        }
        // One more than needed, so that even without edges there is room.
        graph.edges = array(NO_SERVICE, end as usize + 1);
        self.each_dependency(services, &mut graph);
        self.quiet = false;
        let mut rest: &'a [Place] = graph.edges;
        for (service, ends) in services.iter_mut().zip(graph.begins.windows(2)) {
            if let [begin, end] = ends {
                (service.after, rest) = rest.split_at((end - begin) as usize);
            }
        }
    }

    /// Finds each service that another one is after. Each program of a directory is after the previous
    /// one; a service that writes to another is after it, so that its output is read until it ends.
    #[inline(never)]
    fn each_dependency(&mut self, services: &[Service<'a>], graph: &mut Graph) {
        let (mut terminals, mut line) = (0, 0);
        for (place, service) in services.iter().enumerate() {
            let place = place as Place;
            self.section = service.name;
            // Of each section the faults of one instance are reported, while edges are counted.
            if service.line != line {
                line = service.line;
                self.found = !graph.edges.is_empty();
            }
            self.quiet = self.found;
            if service.copy > 1 && service.spec.has(Key::RunParts) {
                graph.edge(place, place - 1);
            }
            for pair in service.spec.0 {
                (self.at.line, self.at.key) = (pair.line, pair.key.name());
                if pair.key == Key::Tty && pair.number > 0 {
                    terminals += 1;
                    if terminals == 2 {
                        self.fault(Fault::Terminal);
                    }
                }
                let feeds = pair.feeds();
                if feeds.is_none() && pair.key != Key::After && pair.key != Key::Before {
                    continue;
                }
                for word in pair.words {
                    let name = feeds.unwrap_or(word).to_bytes();
                    let mut other = names::find(services, name);
                    if other == NO_SERVICE && !self.empty_sections.has(name) {
                        self.unknown(services, name);
                    } else if feeds.is_some()
                        && !services.get(usize::from(other)).is_some_and(reads)
                    {
                        self.fault_with(name, Fault::Reader);
                    }
                    while other != NO_SERVICE {
                        if pair.key == Key::Before {
                            graph.edge(other, place);
                        } else {
                            graph.edge(place, other);
                        }
                        other = names::earlier(services, other);
                    }
                }
            }
        }
    }

    fn unknown(&mut self, services: &[Service<'a>], name: &'a [u8]) {
        if self.quiet {
            return;
        }
        self.begin(name, Fault::Unknown);
        let near = nearest(&mut |n| services.get(n).map(|service| service.name), name);
        self.end_near(near);
    }

    /// Faults from here on are not in any one place of the file.
    #[inline(never)]
    pub(super) fn leave_sections(&mut self) {
        (self.section, self.at.line, self.at.key) = (b"", NO_LINE, b"");
    }

    /// Reports services that wait for each other in a circle: they would wait for ever.
    pub(super) fn circles(&mut self) {
        let Err(circle) = self.settings.plan.sequence() else {
            return;
        };
        self.leave_sections();
        self.begin(b"", Fault::Circle);
        for (index, place) in circle.iter().rev().enumerate() {
            if index > 0 {
                self.report.put(text!(" after "));
            }
            self.report.put_service(self.settings.plan, *place);
        }
        self.end();
    }
}

/// Whether others can write to this service. They start when it is up, which for a oneshot means done.
fn reads(service: &Service) -> bool {
    service.copy == 1 && service.spec.kind() != Type::Oneshot
}
