import type { CommandSpec, FlagOption, InputOf, OptionSpec, ValueOption } from './command-spec.ts';
import { json, task } from './common-specs.ts';
import { EGRESS_COMMANDS } from './egress-commands.ts';
import { GIT_COMMANDS } from './git-commands.ts';
import { REVIEW_COMMANDS } from './review-commands.ts';

/** Options that every command takes. */
export const COMMON_OPTIONS = {
  quiet: { kind: 'flag', short: 'q', description: 'Print no progress and no remarks' },
  debug: { kind: 'flag', description: 'Print the causes of an error' },
  help: { kind: 'flag', short: 'h', description: 'Show this help' },
} as const satisfies Record<string, FlagOption>;

const force = (description: string) => ({ kind: 'flag', short: 'f', description }) as const satisfies FlagOption;
const backend = {
  kind: 'value',
  placeholder: 'NAME',
  completes: 'backend',
  description: 'Backend that makes the bottle',
} as const satisfies ValueOption;
const env = {
  kind: 'list',
  short: 'e',
  placeholder: 'NAME[=VALUE]',
  description: 'Set an environment variable in the bottle; without a value, take it from here',
} as const satisfies ValueOption;

const REDTEAM_DETAILS = [
  'Makes bottles and servers of its own, tries every attack of the suite, and prints one line for each: `held`, `broken`, `not proven` where the attack could not be shown to work without the defence, `unsupported` where the backend makes no such claim, `out of scope`. Everything that it made is removed, also after Ctrl-C. No address but those of this machine is attacked.',
  'The exit status is 1 when a claim is broken.',
] as const;
const redteamOptions = {
  backend,
  image: { kind: 'value', placeholder: 'REFERENCE', description: 'Image of the bottles in the place of the built one' },
  row: { kind: 'list', placeholder: 'ID', description: 'Run that row alone, for example `E3`' },
  json,
} as const satisfies Record<string, OptionSpec>;

/** Every command of terok. Parser, help, shell completions and `docs/cli.md` come from here. */
export const COMMANDS = {
  run: {
    summary: 'Run an agent, or any command, on a directory in a bottle of its own',
    details: [
      'The bottle gets its own clone of the repository in DIR (a directory without git is copied) and reaches nothing but its model and the routes that you allowed. Commits wait in the gate until you look at them with `terok diff` and take them with `terok apply`.',
      'The exit status is that of the agent or command, or one of those listed under "Exit status". Ctrl-C stops the task cleanly; a second Ctrl-C ends terok at once, and the next terok command brings the work into the gate and ends the bottle.',
    ],
    arguments: {
      dir: { kind: 'optional', completes: 'directory', description: 'Directory with the work, the current one by default' },
      command: { kind: 'rest', description: 'Command to run as the agent user in the place of an agent' },
    },
    options: {
      agent: { kind: 'value', placeholder: 'NAME', completes: 'agent', description: 'Agent to run, see `terok agent list`' },
      prompt: {
        kind: 'value',
        short: 'p',
        placeholder: 'TEXT',
        description: 'Instruction for the agent; `-` reads it from standard input',
      },
      model: { kind: 'value', placeholder: 'NAME', description: 'Model that the agent is told to use' },
      backend,
      name: { kind: 'value', placeholder: 'NAME', description: 'Name of the task' },
      env,
      memory: { kind: 'value', placeholder: 'SIZE', description: 'Memory, for example `512M` or `4G`' },
      cpus: { kind: 'value', placeholder: 'N', description: 'Processors, for example `2` or `0.5`' },
      pids: { kind: 'value', placeholder: 'N', description: 'Processes and threads' },
      disk: { kind: 'value', placeholder: 'SIZE', description: 'Space of the files that the bottle adds to its image, for example `20G`' },
      publish: {
        kind: 'list',
        placeholder: '[HOSTPORT:]PORT',
        description: "Reach that TCP port of the bottle from this machine, on the bottle's own loopback address",
      },
      allowUnenforced: {
        kind: 'list',
        placeholder: 'LIMIT',
        choices: ['memory', 'cpus', 'pids', 'files', 'disk'],
        description: 'Start even where this host cannot enforce that limit',
      },
      sudo: { kind: 'flag', description: 'Let the agent become root inside; weakens the bottle' },
      keep: { kind: 'flag', description: 'Keep the bottle running when the agent has ended' },
      timeout: { kind: 'value', placeholder: 'TIME', description: 'End the agent after that time, for example `90s`, `30m` or `2h`' },
      detach: { kind: 'flag', short: 'd', description: 'Run in the background and print the name of the task' },
      interactive: { kind: 'flag', short: 'i', description: 'Give the agent this terminal' },
      image: { kind: 'value', placeholder: 'REFERENCE', description: 'Image to use in the place of the built one' },
      json,
    },
    examples: [
      ['terok run . --agent claude -p "Make the tests pass"', 'let an agent work on this repository'],
      ['terok run -- npm test', 'run a command on a clone of this repository'],
      ['terok run --keep --publish 3000 -- npm run build', 'reach a server on port 3000 of the bottle'],
      ['terok run ~/src/shop -d --agent codex -p -', 'in the background, with the prompt from standard input'],
    ],
  },
  list: {
    summary: 'List the tasks',
    arguments: {},
    options: { names: { kind: 'flag', description: 'Print the names alone, one on each line' }, json },
  },
  status: { summary: 'Show one task: its bottle, limits, ports, routes and how it ended', arguments: { task }, options: { json } },
  exec: {
    summary: 'Run a command in the bottle of a task; a shell without CMD',
    arguments: { task, command: { kind: 'rest', description: 'Command and its arguments' } },
    options: {
      tty: { kind: 'flag', short: 't', description: 'Give the command this terminal' },
      user: { kind: 'value', placeholder: 'USER', choices: ['agent', 'root'], description: 'User in the bottle, `agent` by default' },
      cwd: { kind: 'value', placeholder: 'PATH', description: 'Directory in the bottle' },
      env,
    },
    examples: [['terok exec shop -- git log --oneline', 'look into the clone of a task']],
  },
  cp: {
    summary: 'Copy files into or out of a bottle',
    details: [
      'One of SOURCE and TARGET is `TASK:/path`. Out of a bottle come files and directories only; links, devices and sockets are listed and left.',
      'Files that would run on this machine when they are opened, built or entered (settings of editors and agents, hooks, scripts, build files, programs) are listed first. On a terminal you are asked; a script accepts them by path.',
    ],
    arguments: {
      source: { kind: 'required', completes: 'file', description: 'Path here, or `TASK:/path`' },
      target: { kind: 'required', completes: 'file', description: 'Path here, which must not exist yet, or `TASK:/path`' },
    },
    options: {
      accept: {
        kind: 'list',
        placeholder: 'PATH',
        description: 'Let files run that land at this path or below it, relative to TARGET; `.` for all',
      },
      json,
    },
    examples: [['terok cp shop:/work/shop/report.html ./report.html', 'take one file out']],
  },
  logs: {
    summary: 'Print what the agent printed',
    arguments: { task },
    options: { follow: { kind: 'flag', short: 'f', description: 'Go on until the task ends' } },
  },
  stop: { summary: 'Stop the bottle of a task; its files stay', arguments: { task }, options: { json } },
  start: { summary: 'Start the bottle of a task again', arguments: { task }, options: { json } },
  rm: {
    summary: 'Remove tasks with their bottles and records',
    arguments: { tasks: { kind: 'rest', completes: 'task', description: 'Names of tasks' } },
    options: { force: force('Also where the task runs, or holds work that was not applied'), json },
  },
  diff: { summary: 'Show the work of a task as a diff', arguments: { task }, options: {} },
  ...REVIEW_COMMANDS,
  discard: { summary: 'Throw the work of a task away', arguments: { task }, options: { json } },
  'image build': {
    summary: 'Build the base image and the images with agents',
    arguments: { agents: { kind: 'rest', completes: 'agent', description: 'Agents to put into the image; none builds the base image' } },
    options: { backend, force: force('Build even where an image of the same inputs exists'), json },
  },
  'image list': { summary: 'List the images of terok', arguments: {}, options: { json } },
  'image prune': {
    summary: 'Remove images that nothing needs',
    arguments: {},
    options: { all: { kind: 'flag', description: 'Remove every image that no bottle uses' }, json },
  },
  'secret set': {
    summary: 'Store a secret, read from standard input or asked for',
    details: [
      'The value is never an argument, so that it is in no history and no list of processes. Bottles get a worthless token; the gateway swaps it outside.',
      'For the login of an agent, such as `claude-login`, give the file in which the agent itself keeps it.',
    ],
    arguments: { name: { kind: 'required', description: 'Name, as `terok agent list` shows it' } },
    options: {
      oauth: { kind: 'flag', description: 'Store an OAuth login: JSON with `tokenEndpoint`, `clientId` and `refreshToken`' },
      json,
    },
    examples: [
      ['terok secret set anthropic < key.txt', 'store the key in a file'],
      ['terok secret set claude-login < .credentials.json', 'store the login of a subscription, as Claude Code writes it'],
      ['terok secret set anthropic-oauth --oauth < login.json', 'store a login; terok renews its access token'],
    ],
  },
  'secret list': { summary: 'List the names of the stored secrets', arguments: {}, options: { json } },
  'secret rm': {
    summary: 'Remove a stored secret',
    arguments: { name: { kind: 'required', description: 'Name of the secret' } },
    options: { json },
  },
  ...EGRESS_COMMANDS,
  ...GIT_COMMANDS,
  'provenance verify': {
    summary: 'Check the signed statement about a commit, without a network',
    details: [
      'The statement names task, agent, image, policy, reachable hosts and approver. It is signed with a key of yours in the data directory.',
    ],
    arguments: {
      commit: { kind: 'optional', description: 'Commit, `HEAD` by default' },
      dir: { kind: 'optional', completes: 'directory', description: 'Directory of the repository, the current one by default' },
    },
    options: { json },
  },
  'backend list': { summary: 'List the backends, and what each lacks here', arguments: {}, options: { json } },
  'agent list': { summary: 'List the agents, the secrets that they use and the hosts that they reach', arguments: {}, options: { json } },
  'redteam egress': {
    summary: 'Attack the network and the credentials of bottles made for it, and say which claims held',
    details: REDTEAM_DETAILS,
    arguments: {},
    options: redteamOptions,
    examples: [['terok redteam egress --row E3', 'try one attack, and print what was seen']],
  },
  'redteam git': {
    summary: 'Attack the git gate and the repositories of this machine from bottles made for it',
    details: REDTEAM_DETAILS,
    arguments: {},
    options: redteamOptions,
  },
  doctor: { summary: 'Check this machine and say what to do', arguments: {}, options: { json } },
  completions: {
    summary: 'Print the completion script of a shell',
    arguments: { shell: { kind: 'required', choices: ['bash', 'zsh', 'fish'], description: 'Shell' } },
    options: {},
    examples: [['source <(terok completions bash)', 'complete in this shell']],
  },
  'config show': {
    summary: 'Show the configuration for a directory, and where each setting comes from',
    arguments: { dir: { kind: 'optional', completes: 'directory', description: 'Directory, the current one by default' } },
    options: { json },
  },
} as const satisfies Record<string, CommandSpec>;

export type CommandName = keyof typeof COMMANDS;
export type CommandInput<Name extends CommandName> = InputOf<(typeof COMMANDS)[Name]>;

/** The spec of a command in its general shape. */
export function specOf(name: CommandName): CommandSpec {
  return COMMANDS[name];
}

export const COMMAND_NAMES = Object.keys(COMMANDS) as readonly CommandName[];

/** The first words of commands that have a second one, for example `image`. */
export const GROUPS: Readonly<Record<string, string>> = {
  image: 'Build, list and remove images',
  secret: 'Store, list and remove secrets',
  egress: 'What bottles may reach: look at it, change it, try it',
  audit: 'Records of what gateways decided',
  git: 'The upstream of a project: name it, its key, what it has',
  provenance: 'Signed statements about commits',
  backend: 'Ways to make bottles',
  agent: 'Agents that terok can run',
  config: 'Settings in effect',
  redteam: 'Attack bottles on this machine to see which claims hold',
};

export const EXIT_STATUSES: readonly (readonly [status: string, meaning: string])[] = [
  ['0', 'success; for `run` and `exec`, the agent or command ended with 0'],
  ['1–119', '`run` and `exec`: the agent or command ended with that status; `redteam`: 1 when a claim is broken'],
  ['120', 'the command line, the configuration or a route is wrong, or the backend cannot do what was asked'],
  ['121', 'no such task, agent, secret or backend; a name is ambiguous or taken; the task is in the wrong state'],
  ['122', 'this machine lacks something: backend, image, program, or the means to enforce a limit'],
  ['123', 'refused: by policy, by a missing secret, or because a copy is not allowed'],
  ['124', 'a time limit ran out'],
  ['125', 'something failed on the way: runtime, gateway, channel, git, state, disk'],
  ['126, 127', '`run`: the program cannot be executed, or is not in the bottle'],
  ['128+N', 'ended by signal N; 130 after Ctrl-C'],
];
