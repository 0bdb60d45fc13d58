/** What the egress side of a gateway is given, and what it does. */
import type { Socket } from 'node:net';
import type { AuditLog } from '../../core/audit-log.ts';
import type { BottleCa } from '../../core/certificate.ts';
import type { EgressPolicy } from '../../core/egress-policy.ts';
import type { UpstreamProxy } from '../../core/upstream-proxy.ts';
import type { AnswerHold, Question, TripwireOptions, WatchedSource } from './data-loss/index.ts';
import type { EgressTarget } from './decide.ts';
import type { ResolveName } from './dial.ts';
import type { ClientLimits } from './slow-clients.ts';

export interface EgressOptions {
  readonly policy: EgressPolicy;
  readonly ca: BottleCa;
  /** Gives the value of a secret, or rejects */
  readonly readSecret: (name: string) => Promise<string>;
  /** The server answered 401 to a request with this value of a secret; may renew it */
  readonly onRefusedSecret?: (name: string, value: string) => Promise<void>;
  readonly audit: AuditLog;
  /** PEM of CAs trusted for upstreams beside those of the host */
  readonly upstreamCaPem?: string;
  /** Where totals of budgets lie, so that a restart does not forget them; in memory alone where absent */
  readonly budgetFile?: string;
  /** Where answers lie that hold for ever; in memory alone where absent */
  readonly answersFile?: string;
  /** Proxy of the host */
  readonly upstreamProxy?: UpstreamProxy;
  /** Addresses of a name; the host's resolver where absent */
  readonly resolveName?: ResolveName;
  /** Values that must not leave the bottle */
  readonly watched?: WatchedSource;
  /** The token that was put into the bottle to be noticed when it leaves */
  readonly tripwire?: TripwireOptions;
  /** Other than `CLIENT_LIMITS` */
  readonly clientLimits?: Partial<ClientLimits>;
}

export interface Egress {
  /** Does any route name this host? For the name server of the bottle */
  nameAllowed(name: string): boolean;
  /** Takes over a connection that the bottle made to the synthetic address of `target.name` */
  handleTransparent(socket: Socket, target: EgressTarget): void;
  /** Takes over a connection to the explicit proxy (CONNECT, absolute-form) */
  handleProxy(socket: Socket): void;
  /** The audit log, with the values that must not leave the bottle masked */
  readonly audit: AuditLog;
  /** Replaces the policy; connections and requests that it does not allow are cut at once */
  setPolicy(policy: EgressPolicy): void;
  /** Every port that a route names, ascending */
  ports(): number[];
  /** Requests that wait for a person */
  readonly questions: {
    list(): readonly Question[];
    /** False where no such question waits (any more) */
    answer(id: string, isAllowed: boolean, hold?: AnswerHold): boolean;
    /** Takes back every yes that still holds */
    forgetAnswers(): void;
  };
  /** The bottle sent its canary by another way, to this host */
  sentCanary(host: string): void;
  /** Lets a bottle that sent its canary go on */
  resume(): void;
  close(): Promise<void>;
}
