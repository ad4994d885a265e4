/** One metric as data. The values of its labels are few: either known, or bounded by their source (route templates, names of jobs). */
interface MetricDefinition {
  type: 'counter' | 'gauge' | 'histogram';
  help: string;
  labels: readonly string[];
  /** Upper bounds, in seconds. */
  buckets?: readonly number[];
}

const QUICK = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30] as const;
const SLOW = [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300] as const;
const LONG = [1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600] as const;

/**
 * Every metric of Berth. No label names a tenant, a workspace or a person: what stands in a label is kept for ever by whoever scrapes it, and each value is a series of its
 * own. docs/observability.md lists them; a test compares.
 */
export const metricCatalog = {
  berth_http_requests_total: {
    type: 'counter',
    help: 'HTTP requests answered, by route template (unmatched: no route), method and status',
    labels: ['method', 'route', 'status'],
  },
  berth_http_request_duration_seconds: {
    type: 'histogram',
    help: 'Time from a request to the end of its answer, event streams left out',
    labels: ['method', 'route'],
    buckets: QUICK,
  },
  berth_sse_streams: { type: 'gauge', help: 'Event streams open now', labels: [] },
  berth_messages_accepted_total: { type: 'counter', help: 'Messages of persons stored', labels: [] },
  berth_turn_duration_seconds: {
    type: 'histogram',
    help: 'Time from the first claim of a turn to its end, by outcome; a turn that never began counts as 0',
    labels: ['outcome'],
    buckets: LONG,
  },
  berth_events_appended_total: {
    type: 'counter',
    help: 'Events appended to the logs of workspaces',
    labels: [],
  },
  berth_workspaces: {
    type: 'gauge',
    help: 'Workspaces of the whole instance by state; every process says the same',
    labels: ['state'],
  },
  berth_queue_jobs: {
    type: 'gauge',
    help: 'Jobs by queue (berth: all workers; host: the one of this host) and state',
    labels: ['queue', 'state'],
  },
  berth_job_duration_seconds: {
    type: 'histogram',
    help: 'Time of one run of a job, by name and outcome (done, failed)',
    labels: ['job', 'outcome'],
    buckets: SLOW,
  },
  berth_leases_total: {
    type: 'counter',
    help: 'Leases asked for by proxies, by upstream and outcome (granted, or the code of the refusal)',
    labels: ['upstream', 'outcome'],
  },
  berth_model_calls_total: {
    type: 'counter',
    help: 'Model calls in the ledger, by kind of credential, family of the model, and whether their provider said what they used (known, unknown)',
    labels: ['kind', 'model', 'usage'],
  },
  berth_tokens_total: {
    type: 'counter',
    help: 'Tokens of model calls by kind of credential, family of the model (other: one without a price) and what they were (input, output, cache_read, cache_write)',
    labels: ['kind', 'model', 'type'],
  },
  berth_cost_usd_total: {
    type: 'counter',
    help: 'Cost of model calls in US dollars at list prices, by kind of credential and family of the model; what has no known price is not in it',
    labels: ['kind', 'model'],
  },
  berth_credential_renewals_total: {
    type: 'counter',
    help: 'Renewals of tokens by kind and outcome (succeeded, failed, rejected, unknown, superseded)',
    labels: ['kind', 'outcome'],
  },
  berth_credential_renewal_duration_seconds: {
    type: 'histogram',
    help: 'Time from a call to a token endpoint to its answer, by kind',
    labels: ['kind'],
    buckets: SLOW,
  },
  berth_credential_wait_seconds: {
    type: 'histogram',
    help: 'Time that a lease waited for a token to be renewed, by outcome (served, late); leases that did not wait are left out',
    labels: ['outcome'],
    buckets: QUICK,
  },
  berth_credential_saved_seconds: {
    type: 'histogram',
    help: 'Time of calls to a token endpoint that nobody had to wait for, since the token of before still served, by kind',
    labels: ['kind'],
    buckets: SLOW,
  },
  berth_credential_store_retries_total: {
    type: 'counter',
    help: 'Times a renewed token could not be stored and was kept in memory for another try: a login is lost if the process ends',
    labels: ['kind'],
  },
  berth_credential_rejections_total: {
    type: 'counter',
    help: 'Credentials that a provider ended, by kind; a person has to set or connect them anew',
    labels: ['kind'],
  },
  berth_credential_fallbacks_total: {
    type: 'counter',
    help: 'Times a workspace went over to a credential because one before it could not serve, by the kind it went to',
    labels: ['kind'],
  },
  berth_proxy_request_duration_seconds: {
    type: 'histogram',
    help: 'Time of one call of the proxy to an upstream (anthropic, openai, git), by class of its status (none: no answer)',
    labels: ['upstream', 'status_class'],
    buckets: SLOW,
  },
  berth_proxy_held_seconds: {
    type: 'histogram',
    help: 'Time that a call of an agent waited for a credential, those that did not have to left out; by what came of it (answered, refused, not-ready, left)',
    labels: ['upstream', 'outcome'],
    buckets: SLOW,
  },
  berth_proxy_resends_total: {
    type: 'counter',
    help: 'Times that a call was sent again because its credential was refused',
    labels: ['upstream'],
  },
  berth_egress_blocked_total: {
    type: 'counter',
    help: 'Ways out that agents asked for and were not given, as proxies tell: each host once a minute per workspace; by reason',
    labels: ['reason'],
  },
  berth_egress_tunnels_total: {
    type: 'counter',
    help: 'Requests of agents for a tunnel to a host, by outcome (closed, cut, blocked, unreachable, not-ready)',
    labels: ['outcome'],
  },
  berth_egress_bytes_total: {
    type: 'counter',
    help: 'Bytes that went through tunnels, by direction (out: from the agent, in: to it)',
    labels: ['direction'],
  },
  berth_deliveries_received_total: {
    type: 'counter',
    help: 'Deliveries of other systems that were proven and stored, by system and as what (new, again, unknown-tenant, late)',
    labels: ['system', 'as'],
  },
  berth_deliveries_handled_total: {
    type: 'counter',
    help: 'Deliveries that were handled, by system and outcome',
    labels: ['system', 'outcome'],
  },
  berth_delivery_duration_seconds: {
    type: 'histogram',
    help: 'Time from the receipt of a delivery to its outcome, by system',
    labels: ['system'],
    buckets: SLOW,
  },
  berth_asks_total: {
    type: 'counter',
    help: 'Asks at other systems that were decided on, by system and outcome',
    labels: ['system', 'outcome'],
  },
  berth_conversations_paused_total: {
    type: 'counter',
    help: 'Conversations at other systems that were paused because so much was asked that it looked like a loop',
    labels: ['system'],
  },
  berth_deliveries_waiting: {
    type: 'gauge',
    help: 'Deliveries of the whole instance that are not handled yet; every process says the same',
    labels: [],
  },
  berth_delivery_oldest_seconds: {
    type: 'gauge',
    help: 'Age of the oldest delivery that is not handled yet; every process says the same',
    labels: [],
  },
  berth_replies_total: {
    type: 'counter',
    help: 'Replies at other systems by system and what became of them (sent, later: tried again, dropped: not said, a newer one was or nobody is there, failed: given up)',
    labels: ['system', 'outcome'],
  },
  berth_reply_delay_seconds: {
    type: 'histogram',
    help: 'Time from a reply to its being said, by system',
    labels: ['system'],
    buckets: SLOW,
  },
  berth_replies_oldest_waiting_seconds: {
    type: 'gauge',
    help: 'Age of the oldest reply of the whole instance that waits to be said; every worker says the same',
    labels: [],
  },
  berth_listener_reconnects_total: {
    type: 'counter',
    help: 'Times the connection that listens for changes was lost',
    labels: [],
  },
} as const satisfies Record<string, MetricDefinition>;

export type MetricName = keyof typeof metricCatalog;
type OfType<T> = { [N in MetricName]: (typeof metricCatalog)[N]['type'] extends T ? N : never }[MetricName];
export type MetricLabels<N extends MetricName> = Record<(typeof metricCatalog)[N]['labels'][number], string>;
/** One value of a metric. */
export interface Reading<N extends MetricName> {
  labels: MetricLabels<N>;
  value: number;
}

/** How a room counts. What keeps and shows the numbers is in src/telemetry. */
export interface Metrics {
  count<N extends OfType<'counter'>>(name: N, labels: MetricLabels<N>, by?: number): void;
  observe<N extends OfType<'histogram'>>(name: N, labels: MetricLabels<N>, seconds: number): void;
  /** Raises (or lowers) a gauge. */
  add<N extends OfType<'gauge'>>(name: N, labels: MetricLabels<N>, by: number): void;
  /** Asks `read` when the metrics are read, at most every few seconds. While it fails, the gauge is not shown. */
  watch<N extends OfType<'gauge'>>(name: N, read: () => Promise<Reading<N>[]>): void;
}

/** Counts nothing: for tests and tools. */
const ignore = (): void => undefined;
export const silentMetrics: Metrics = { count: ignore, observe: ignore, add: ignore, watch: ignore };
