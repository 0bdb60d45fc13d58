import type { EgressPolicy } from '../../core/egress-policy.ts';
import type { GatewayPlan } from './gateway-plan.ts';
import type { NamespaceEntrance } from './listener-helper-process.ts';
import { type Arrivals, ListenerOpener, type OpenListener } from './listener-set.ts';
import { listenerSpecs, specKey } from './listener-spec.ts';

/** The listeners that belong to the policy of one gateway, opened and closed as the policy changes. */
export class GatewayListeners {
  readonly #entrance: NamespaceEntrance;
  readonly #opener: ListenerOpener;
  readonly #hasGate: boolean;
  #policy: EgressPolicy;
  #open: readonly OpenListener[] = [];
  #arrivals: Arrivals | undefined;

  constructor(entrance: NamespaceEntrance, plan: GatewayPlan) {
    this.#entrance = entrance;
    this.#opener = new ListenerOpener(entrance);
    this.#hasGate = plan.gate !== undefined;
    this.#policy = plan.policy;
  }

  /** TCP and UDP sockets that are open, for example `tcp 0.0.0.0:443` */
  get sockets(): string[] {
    return this.#open.map(({ spec }) => specKey(spec));
  }

  get tcpTable(): string {
    return `/proc/${this.#entrance.holder.pid}/net/tcp`;
  }

  async open(arrivals: Arrivals): Promise<void> {
    this.#arrivals = arrivals;
    await this.change(this.#policy);
  }

  /** Opens what a policy needs and is not open; on failure what was open before stays open. */
  async change(policy: EgressPolicy): Promise<void> {
    const { wanted, kept, surplus } = this.#compare(policy);
    const missing = wanted.filter((spec) => !kept.some((listener) => specKey(listener.spec) === specKey(spec)));
    // A service moves to the socket on every address when a route names its port: the two cannot listen at the same time
    const inTheWay = surplus.filter(({ spec }) => missing.some((other) => other.protocol === spec.protocol && other.port === spec.port));
    for (const listener of inTheWay) listener.close();
    this.#open = this.#open.filter((listener) => !inTheWay.includes(listener));
    const opened = this.#arrivals === undefined ? [] : await this.#opener.open(missing, this.#arrivals);
    this.#open = [...this.#open, ...opened];
    this.#policy = policy;
  }

  /** Closes what the policy does not need. */
  trim(): void {
    const { kept, surplus } = this.#compare(this.#policy);
    for (const listener of surplus) listener.close();
    this.#open = kept;
  }

  #compare(policy: EgressPolicy) {
    const wanted = listenerSpecs([...new Set(policy.routes.flatMap((route) => route.ports))], this.#hasGate);
    const keys = new Set(wanted.map(specKey));
    const kept = this.#open.filter(({ spec }) => keys.has(specKey(spec)));
    return { wanted, kept, surplus: this.#open.filter((listener) => !kept.includes(listener)) };
  }
}
