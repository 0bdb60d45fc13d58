import type { ArgumentSpec, CommandSpec, FlagOption } from './command-spec.ts';
import { json, task } from './common-specs.ts';

const egressTarget = 'Task, or a directory (`.`, or a path with a slash) for what a new task there would get';
const scopeTarget = {
  kind: 'required',
  completes: 'task',
  description: 'Task, or with `--project` a directory',
} as const satisfies ArgumentSpec;
const project = { kind: 'flag', description: 'For every task of the project of a directory' } as const satisfies FlagOption;

/** The commands about what bottles may reach. */
export const EGRESS_COMMANDS = {
  'egress show': {
    summary: 'Show what a task, or a new task of a directory, may reach, and which rule comes from where',
    arguments: { target: { kind: 'optional', completes: 'task', description: egressTarget } },
    options: {
      versions: { kind: 'flag', description: 'Show the changes that were made with `allow` and `deny` instead' },
      json,
    },
    examples: [
      ['terok egress show .', 'what a task of this repository would reach'],
      ['terok egress show shop --versions', 'who changed what, and why'],
    ],
  },
  'egress sets': {
    summary: 'Show the curated sets of routes, and what each means on this machine',
    details: [
      'A set is turned on with `egress.sets` in the configuration. The servers of package managers are read from their own configuration of this user and machine, so that mirrors and company proxies are used.',
    ],
    arguments: {},
    options: { json },
  },
  'egress allow': {
    summary: 'Let a task, or every task of a project, reach a host; running tasks at once',
    details: [
      'A grant with `--for` closes by itself, also when no terok runs. Without `--method` and `--path` every request to the host is allowed.',
    ],
    arguments: { target: scopeTarget, host: { kind: 'required', description: 'Name or `*.suffix`, with `:PORT` where it is not 443' } },
    options: {
      project,
      method: { kind: 'list', placeholder: 'METHOD', description: 'HTTP method; may be given several times' },
      path: { kind: 'list', placeholder: 'PREFIX', description: 'Beginning of the path; may be given several times' },
      mode: {
        kind: 'value',
        placeholder: 'MODE',
        choices: ['inspect', 'passthrough'],
        description: 'Read requests, or join the bytes unread; `inspect` for ports 80 and 443 by default',
      },
      for: { kind: 'value', placeholder: 'TIME', description: 'End the grant after that time, for example `10m`' },
      privateNetwork: { kind: 'list', placeholder: 'CIDR', description: 'Private network in which the host may be' },
      json,
    },
    examples: [
      ['terok egress allow shop example.com --for 10m', 'ten minutes for one host'],
      ['terok egress allow shop api.example.com --method GET --path /v1', 'reading one part of an API'],
      ['terok egress allow --project . registry.example.com', 'for every task of this repository'],
    ],
  },
  'egress deny': {
    summary: 'Take back what was allowed, and block the host; open connections are cut',
    arguments: {
      target: scopeTarget,
      host: { kind: 'required', description: 'Name or `*.suffix`; every port, or the one of `:PORT`' },
    },
    options: { project, undo: { kind: 'flag', description: 'Take a block back' }, json },
    examples: [['terok egress deny shop example.com', 'cut it off now']],
  },
  'egress test': {
    summary: 'Say whether a request would be allowed, by which rule, and where that comes from',
    details: [
      'Nothing is sent. The exit status is 0 where the request would be allowed and 123 where it would be refused. In `passthrough` only the name and the port are judged.',
    ],
    arguments: {
      target: { kind: 'required', completes: 'task', description: egressTarget },
      request: { kind: 'rest', description: 'Method (GET where absent) and address' },
    },
    options: { json },
    examples: [['terok egress test shop POST https://api.example.com/v1/issues', 'ask before the agent does']],
  },
  'egress log': {
    summary: 'Show the last decisions about a task, and what would allow the refused ones',
    arguments: { task },
    options: {
      denied: { kind: 'flag', description: 'Only what was refused' },
      limit: { kind: 'value', placeholder: 'N', description: 'How many, 50 by default' },
      json,
    },
  },
  'egress watch': {
    summary: 'Show decisions about a task as they are made, until Ctrl-C',
    arguments: { task },
    options: {
      denied: { kind: 'flag', description: 'Only what was refused' },
      json: { kind: 'flag', description: 'Print one JSON document on each line' },
    },
  },
  'egress questions': {
    summary: 'List requests that carry a secret and wait for an answer',
    details: ['A route with `dataLoss: {secrets: ask}` holds such a request for two minutes, then refuses it.'],
    arguments: { task },
    options: { forget: { kind: 'flag', description: 'Take back every yes that still holds' }, json },
  },
  'egress answer': {
    summary: 'Let a request that waits go on, or refuse it',
    details: [
      'A yes also holds for the same find on the same host: for ten minutes where nothing is said. `terok egress questions --forget` takes all of them back.',
    ],
    arguments: {
      task,
      id: { kind: 'required', description: 'Request, as `terok egress questions` shows it' },
      answer: { kind: 'required', choices: ['yes', 'no'], description: 'Answer' },
    },
    options: {
      once: { kind: 'flag', description: 'For this request alone' },
      for: { kind: 'value', placeholder: 'TIME', description: 'For so long, such as `30s` or `2h`, or until the gateway starts again' },
      always: { kind: 'flag', description: 'For the life of the bottle' },
      json,
    },
    examples: [['terok egress answer shop 3f2a1c yes --once', 'let one request pass']],
  },
  'egress resume': {
    summary: 'Let a bottle that sent its canary go on',
    details: [
      'A token that nothing in the bottle has a use for left it, so it is paused and nothing more leaves it. Look at `terok egress log` first.',
    ],
    arguments: { task },
    options: { json },
  },
  'egress learn': {
    summary: 'Propose the smallest rules that allow what a task tried and was refused',
    arguments: { task },
    options: {
      apply: { kind: 'flag', description: 'Allow it to this task, after a question' },
      yes: { kind: 'flag', short: 'y', description: 'Do not ask' },
      json,
    },
  },
  'audit verify': {
    summary: 'Check that no line of a record of decisions was changed, added or removed',
    details: ['A task has two: what its gateway let through, and what was decided about its work (approve, reject, apply, push, forward).'],
    arguments: { target: { kind: 'optional', completes: 'task', description: 'Task or `audit.jsonl`; every task where absent' } },
    options: { json },
  },
} as const satisfies Record<string, CommandSpec>;
