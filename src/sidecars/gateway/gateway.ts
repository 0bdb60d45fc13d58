/*
 * Scope: sends every arrival from a bottle to the one part that decides about it. Out of scope: the decisions of the egress proxy and
 * the git gate. Fail-safe direction: an arrival that belongs to no part is reset and recorded.
 */

import { rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import type { EgressPolicy } from '../../core/index.ts';
import type { Egress } from '../egress/index.ts';
import { ControlPeers } from './control-peers.ts';
import { demandProof } from './control-proof.ts';
import { type ControlRequest, listenUnix, serveControl } from './control-server.ts';
import { DenialLog, type DenialSink } from './denial-log.ts';
import { DnsResponder } from './dns-responder.ts';
import { serveDnsConnection } from './dns-tcp.ts';
import { ExecBroker } from './exec-broker.ts';
import { SEALED } from './gateway-plan.ts';
import type { Arrivals } from './listener-set.ts';
import type { NetworkFiles } from './network-files.ts';
import { SyntheticNames } from './synthetic-names.ts';

/** Connections of one bottle at once; each costs descriptors and buffers of the host. */
const MAX_CONNECTIONS = 2_048;

export interface GatewayParts {
  readonly egress: Pick<Egress, 'nameAllowed' | 'handleTransparent' | 'handleProxy' | 'setPolicy' | 'questions' | 'resume'>;
  readonly audit: DenialSink;
  /** Serves one connection to the git gate; absent for a bottle without git */
  readonly gate: ((socket: Socket) => void) | undefined;
  /** Throws for a credential that the policy promises and that cannot be read */
  assertSecrets(policy: EgressPolicy): Promise<void>;
}

/** What the process around it does for the gateway. */
export interface GatewayHost {
  /** Applies and keeps a new policy */
  setPolicy(policy: EgressPolicy): Promise<void>;
  shutdown(): void;
  /** The listeners inside the bottle's network, for example `tcp 0.0.0.0:443` */
  sockets(): readonly string[];
  /** The kernel's table of the TCP sockets in the bottle's network, `/proc/<pid>/net/tcp` */
  readonly tcpTable: string;
  readonly controlProof?: string | undefined;
}

export interface GatewayStatus {
  readonly pid: number;
  readonly sockets: readonly string[];
  readonly connections: number;
  readonly names: number;
  /** Connections of the bottle's init that wait for a client of the exec socket */
  readonly idleExecConnections: number;
  readonly rssBytes: number;
}

export class Gateway implements Arrivals {
  readonly #parts: GatewayParts;
  readonly #host: GatewayHost;
  readonly #denials: DenialLog;
  readonly #names = new SyntheticNames();
  readonly #dns: DnsResponder;
  readonly #exec: ExecBroker;
  readonly #controlPeers: ControlPeers;
  #connections = 0;

  constructor(parts: GatewayParts, host: GatewayHost) {
    this.#parts = parts;
    this.#host = host;
    this.#denials = new DenialLog(parts.audit);
    this.#exec = new ExecBroker(this.#denials);
    this.#controlPeers = new ControlPeers({
      tcpTable: host.tcpTable,
      uid: process.geteuid?.() ?? 0,
      accept: (socket) => this.#welcome(socket),
      refuse: (socket, reason) => this.#reset(socket, reason, 'control'),
    });
    const policy = { nameAllowed: (name: string) => parts.egress.nameAllowed(name), hasGate: parts.gate !== undefined };
    this.#dns = new DnsResponder(policy, this.#names, this.#denials);
  }

  status(): GatewayStatus {
    return {
      pid: process.pid,
      sockets: this.#host.sockets(),
      connections: this.#connections,
      names: this.#names.size,
      idleExecConnections: this.#exec.idle,
      rssBytes: process.memoryUsage.rss(),
    };
  }

  /** Gives the names that a policy spells out their addresses before anybody asks, so that what a client remembers survives a restart. */
  learn(policy: EgressPolicy): void {
    for (const host of policy.routes.flatMap((route) => route.hosts)) {
      if (!host.startsWith('*.')) this.#names.addressOf(host.toLowerCase());
    }
  }

  /** Opens the sockets on the host; the control socket last, because who can connect to it may take the gateway for ready. */
  async openHostSockets(files: NetworkFiles): Promise<void> {
    await Promise.all([files.execSocket, files.controlSocket].map((file) => rm(file, { force: true })));
    const exec: Server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => this.#exec.take(client));
    await listenUnix(exec, files.execSocket);
    await serveControl(files.controlSocket, (request) => this.#control(request));
  }

  onDatagram(message: Buffer, reply: (answer: Buffer) => void): void {
    const answer = this.#dns.answer(message);
    if (answer !== undefined) reply(answer);
  }

  onConnection(socket: Socket): void {
    // A bottle that resets its connections is normal; the part that serves the socket sees its `close`
    socket.on('error', () => socket.destroy());
    if (this.#connections >= MAX_CONNECTIONS) return this.#reset(socket, `more than ${MAX_CONNECTIONS} connections at once`);
    this.#connections += 1;
    socket.once('close', () => {
      this.#connections -= 1;
    });
    this.#dispatch(socket, socket.localAddress ?? '', socket.localPort ?? 0);
  }

  #dispatch(socket: Socket, address: string, port: number): void {
    if (address === SEALED.serviceAddress) return this.#serve(socket, port);
    if (address === SEALED.gateAddress && port === SEALED.gatePort && this.#parts.gate !== undefined) return this.#parts.gate(socket);
    const name = this.#names.nameOf(address);
    if (name === undefined) return this.#reset(socket, 'the address stands for no name that this bottle resolved');
    this.#parts.egress.handleTransparent(socket, { name, port });
  }

  #serve(socket: Socket, port: number): void {
    if (port === SEALED.dnsPort) return serveDnsConnection(socket, (message) => this.#dns.answer(message));
    if (port === SEALED.controlPort) return this.#controlPeers.judge(socket);
    if (port === SEALED.proxyPort) return this.#parts.egress.handleProxy(socket);
    this.#reset(socket, 'no service has this port');
  }

  #welcome(socket: Socket): void {
    const accept = (known: Socket): void => this.#exec.offer(known);
    const refuse = (stranger: Socket, reason: string): void => this.#reset(stranger, reason, 'control');
    if (this.#host.controlProof === undefined) accept(socket);
    else demandProof(socket, this.#host.controlProof, { accept, refuse });
  }

  #reset(socket: Socket, reason: string, kind: 'connect' | 'control' = 'connect'): void {
    this.#denials.deny({ kind, target: `${socket.localAddress ?? 'unknown'}:${socket.localPort ?? 0}`, reason });
    socket.resetAndDestroy();
  }

  async #control(request: ControlRequest): Promise<unknown> {
    switch (request.command) {
      case 'status':
        return this.status();
      case 'setPolicy':
        await this.#host.setPolicy(request.policy);
        return this.learn(request.policy);
      case 'questions':
        return this.#parts.egress.questions.list();
      case 'answer':
        return this.#parts.egress.questions.answer(request.id, request.allow, request.hold);
      case 'forgetAnswers':
        return this.#parts.egress.questions.forgetAnswers();
      case 'resume':
        return this.#parts.egress.resume();
      case 'shutdown':
        return this.#host.shutdown();
      default:
        request satisfies never;
        throw new Error('There is no such command.');
    }
  }
}
