/*
 * Scope: how git on the host reaches an upstream: which program, which key, which host key, which credential.
 * Out of scope: what is fetched or pushed. Fail-safe direction: no configuration, agent, key or known host of the user takes part unless
 * the project says so; an unknown host key ends the connection; a credential goes to the exact address of the upstream alone.
 */
import {
  type GitOptions,
  type GitSettings,
  type HostRoad,
  hostRoots,
  proxyTo,
  type RoadProxy,
  TerokError,
  writePrivateFile,
} from '../core/index.ts';
import type { Vault } from '../vault/index.ts';
import type { UpstreamRecord } from './upstream-record.ts';
import { parseUpstreamUrl } from './upstream-url.ts';

export interface TransportInputs {
  readonly record: UpstreamRecord;
  readonly vault: Vault;
  /** Private key of an SSH upstream without `useAgent` */
  readonly keyFile: string;
  /** Where the pinned host keys of an SSH upstream are written for ssh to read */
  readonly knownHostsFile: string;
  /** Where the CAs of an HTTPS upstream are written for git to read, if the road has any of its own */
  readonly rootsFile: string;
  /** How this machine reaches an HTTPS upstream; directly by default */
  readonly road?: HostRoad;
  readonly env?: NodeJS.ProcessEnv;
}

export interface TransportOptions extends Pick<GitOptions, 'settings' | 'env' | 'descriptor3'> {
  /** The credential, in the forms that an answer could repeat it in; nothing that is shown may hold one */
  readonly withheld: readonly string[];
}

export interface Transport {
  readonly url: string;
  /** Options for one run of git: a credential is read once, so each run asks for its own */
  options(): Promise<TransportOptions>;
  /** Value of the `authorization` header for other requests to the upstream; absent for SSH */
  readonly authorization?: () => Promise<string | undefined>;
}

export async function openTransport(inputs: TransportInputs): Promise<Transport> {
  const { kind, url } = parseUpstreamUrl(inputs.record.url);
  return kind === 'ssh' ? await openSsh(url, inputs) : await openHttps(url, inputs);
}

/** `none` for what could start a program or reach a socket of the user. */
const SSH_OPTIONS = [
  'BatchMode=yes',
  'IdentitiesOnly=yes',
  'StrictHostKeyChecking=yes',
  'GlobalKnownHostsFile=/dev/null',
  'UpdateHostKeys=no',
  'CheckHostIP=no',
  'ForwardAgent=no',
  'ForwardX11=no',
  'ControlMaster=no',
  'ControlPath=none',
  'ProxyCommand=none',
  'PermitLocalCommand=no',
  'PreferredAuthentications=publickey',
  'ConnectTimeout=20',
  'ServerAliveInterval=15',
  'ServerAliveCountMax=4',
];

async function openSsh(url: string, { record, keyFile, knownHostsFile, env = process.env }: TransportInputs): Promise<Transport> {
  const { host, port } = parseUpstreamUrl(record.url);
  if (record.hostKeys === undefined || record.hostKeys.length === 0) {
    throw new TerokError('REFUSED', `No host key of \`${host}\` is pinned, so it could be anyone.`, {
      hint: 'Give the one that its owner publishes: `terok git upstream set URL --host-key "ssh-ed25519 AAAA…"`.',
    });
  }
  const name = port === undefined || port === 22 ? host : `[${host}]:${port}`;
  await writePrivateFile(knownHostsFile, record.hostKeys.map((key) => `${name} ${key}\n`).join(''));
  const agent =
    record.useAgent === true ? ['IdentitiesOnly=no', 'IdentityFile=none'] : ['IdentityAgent=none', `IdentityFile=${sshPath(keyFile)}`];
  // The first word about an option counts
  const words = [...agent, `UserKnownHostsFile=${sshPath(knownHostsFile)}`, ...SSH_OPTIONS].flatMap((option) => ['-o', option]);
  const settings: GitSettings = {
    'core.sshCommand': ['ssh', '-F', '/dev/null', ...words].map(shellWord).join(' '),
    'ssh.variant': 'ssh',
    'protocol.allow': 'never',
    'protocol.file.allow': 'never',
    'protocol.ssh.allow': 'always',
  };
  const socket = record.useAgent === true && env.SSH_AUTH_SOCK !== undefined ? { env: { SSH_AUTH_SOCK: env.SSH_AUTH_SOCK } } : {};
  return { url, options: async () => await Promise.resolve({ settings, withheld: [], ...socket }) };
}

/** Runs in a shell that git starts; constant. What it reads is gone after the first answer. */
const HELPER = '!f() { [ "$1" = get ] && cat <&3; }; f';

async function openHttps(url: string, { record, vault, road = {}, rootsFile }: TransportInputs): Promise<Transport> {
  const { protocol, hostname } = new URL(url);
  const scheme = protocol.slice(0, -1);
  const proxy = proxyTo(hostname, road);
  const settings: GitSettings = {
    'credential.helper': '',
    'credential.useHttpPath': 'true',
    [`credential.${url}.helper`]: HELPER,
    'http.followRedirects': 'false',
    'http.sslVerify': 'true',
    'http.lowSpeedLimit': '100',
    'http.lowSpeedTime': '60',
    'protocol.allow': 'never',
    'protocol.file.allow': 'never',
    [`protocol.${scheme}.allow`]: 'always',
    ...(await trustSettings(road, rootsFile)),
    ...proxySettings(proxy),
  };
  const user = record.user ?? 'git';
  const readPassword = async (): Promise<string | undefined> => {
    if (record.secret === undefined) return undefined;
    const value = (await vault.get(record.secret)).reveal().trim();
    if (!/[\n\0]/.test(value)) return value;
    throw new TerokError('USAGE', `The secret \`${record.secret}\` has more than one line, so it is no password or token.`);
  };
  return {
    url,
    async options() {
      const password = await readPassword();
      const own = password === undefined ? '' : `username=${user}\npassword=${password}\n`;
      const descriptor3 = `${proxy?.login === undefined ? '' : `${proxy.login.password}\n`}${own}`;
      const withheld = [
        ...(password === undefined ? [] : formsOf(user, password)),
        ...(proxy?.login === undefined ? [] : formsOf(proxy.login.user, proxy.login.password)),
      ];
      return { settings, withheld, ...(descriptor3 === '' ? {} : { descriptor3 }) };
    },
    async authorization() {
      const password = await readPassword();
      return password === undefined ? undefined : `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    },
  };
}

/** Git takes the file in the place of the roots of the system, so it has those too. */
async function trustSettings({ extraCaPem }: HostRoad, rootsFile: string): Promise<GitSettings> {
  if (extraCaPem === undefined) return {};
  await writePrivateFile(rootsFile, [...hostRoots(), extraCaPem].join('\n'));
  return { 'http.sslCAInfo': rootsFile };
}

/** The proxy is asked first, so its password is the first line on the descriptor. */
const PROXY_HELPER = `!f() { [ "$1" = get ] && IFS= read -r word <&3 && printf 'password=%s\\n' "$word"; }; f`;

/** The empty text is no proxy. */
function proxySettings(proxy: RoadProxy | undefined): GitSettings {
  if (proxy === undefined) return { 'http.proxy': '' };
  const { protocol: named, host } = new URL(proxy.url);
  // As everything else of the host does it: the proxy gets the name, which this machine may not know
  const protocol = named === 'socks5:' ? 'socks5h:' : named;
  if (proxy.login === undefined) return { 'http.proxy': `${protocol}//${host}` };
  return {
    'http.proxy': `${protocol}//${encodeURIComponent(proxy.login.user)}@${host}`,
    'http.proxyAuthMethod': 'basic',
    [`credential.${protocol}//${host}.helper`]: PROXY_HELPER,
  };
}

/** As it is, as a part of an address, and as the header that git sends. */
function formsOf(user: string, value: string): readonly string[] {
  const encoded = [value, `${user}:${value}`].map((text) => Buffer.from(text).toString('base64').replace(/=+$/, ''));
  return [value, encodeURIComponent(value), ...encoded].filter((form) => form !== '');
}

/** A path in an option of ssh, which cuts at spaces and expands `%`. */
function sshPath(file: string): string {
  return `"${file.replaceAll(/["\\]/g, '\\$&').replaceAll('%', '%%')}"`;
}

/** One word for a POSIX shell, which git hands `core.sshCommand` to. */
function shellWord(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
