//! Events of the state become events of the ledger.

use super::EventKind;
use crate::state::{AccessEvent, ClientEvent, StateEvent, TableEvent, TunnelEvent};

impl From<StateEvent> for EventKind {
    fn from(event: StateEvent) -> EventKind {
        match event {
            StateEvent::Table(event) => of_table(event),
            StateEvent::Tunnel(event) => of_tunnel(event),
            StateEvent::Client(event) => of_client(event),
            StateEvent::Access(event) => of_access(event),
        }
    }
}

fn of_table(event: TableEvent) -> EventKind {
    match event {
        TableEvent::Written {
            table,
            partition,
            from,
            to,
        } => EventKind::Written {
            table,
            partition,
            from,
            to,
        },
        TableEvent::Split {
            table,
            parent,
            children,
        } => EventKind::Split {
            table,
            parent,
            children,
        },
        TableEvent::Merged {
            table,
            parents,
            child,
        } => EventKind::Merged {
            table,
            parents,
            child,
        },
        TableEvent::Trimmed {
            table,
            partition,
            from,
            to,
        } => EventKind::Trimmed {
            table,
            partition,
            from,
            to,
        },
        TableEvent::Dropped { table } => EventKind::TableDropped { table },
    }
}

fn of_tunnel(event: TunnelEvent) -> EventKind {
    match event {
        TunnelEvent::Created { tunnel, table } => EventKind::TunnelCreated { tunnel, table },
        TunnelEvent::Deleted { tunnel } => EventKind::TunnelDeleted { tunnel },
        TunnelEvent::ChannelAdded {
            tunnel,
            channel,
            partition,
            start,
            end,
            parents,
        } => EventKind::ChannelAdded {
            tunnel,
            channel,
            partition,
            start,
            end,
            parents,
        },
        TunnelEvent::Expired { tunnel } => EventKind::TunnelExpired { tunnel },
        TunnelEvent::ChannelChanged {
            tunnel,
            channel,
            client,
            status,
            version,
        } => EventKind::ChannelChanged {
            tunnel,
            channel,
            client,
            status,
            version,
        },
    }
}

fn of_client(event: ClientEvent) -> EventKind {
    match event {
        ClientEvent::Connected {
            tunnel,
            client,
            timeout,
        } => EventKind::Connected {
            tunnel,
            client,
            timeout,
        },
        ClientEvent::Gone {
            tunnel,
            client,
            why,
        } => EventKind::Gone {
            tunnel,
            client,
            why,
        },
        ClientEvent::Heartbeat {
            tunnel,
            client,
            reported,
            answered,
        } => EventKind::Heartbeat {
            tunnel,
            client,
            reported,
            answered,
        },
    }
}

fn of_access(event: AccessEvent) -> EventKind {
    match event {
        AccessEvent::CheckpointRead {
            access,
            position,
            sequence_number,
        } => EventKind::CheckpointGiven {
            tunnel: access.tunnel,
            client: access.client,
            channel: access.channel,
            owned: access.owned,
            position,
            sequence_number,
        },
        AccessEvent::Skipped {
            tunnel,
            client,
            channel,
            from,
            count,
        } => EventKind::Skipped {
            tunnel,
            client,
            channel,
            from,
            count,
        },
        AccessEvent::Read {
            access,
            from,
            to,
            first_sequence,
            last_sequence,
            finished,
        } => EventKind::Read {
            tunnel: access.tunnel,
            client: access.client,
            channel: access.channel,
            owned: access.owned,
            from,
            to,
            first_sequence,
            last_sequence,
            finished,
        },
        AccessEvent::Saved {
            access,
            position,
            sequence_number,
        } => EventKind::Saved {
            tunnel: access.tunnel,
            client: access.client,
            channel: access.channel,
            owned: access.owned,
            position,
            sequence_number,
        },
    }
}
