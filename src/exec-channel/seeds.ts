// Scope: what a bottle holds so that the host, and nobody else, can run commands in it.
// Out of scope: who may connect to the exec socket (its directory is private to the user), and what the commands may do.
// Fail-safe direction: every way of logging in but the bottle's own client key is off,
// and every kind of forwarding but connections that the host opens to the bottle's loopback; a damaged file means no session at all.
import type { SeedFile } from '../core/index.ts';
import { type ChannelIdentity, controlProof } from './identity.ts';
import { CONTROL_PROOF_FILE, INIT_SCRIPT } from './init-script.ts';

/** argv of a bottle's first process. */
export const INIT_COMMAND: readonly string[] = ['/bin/bash', '/usr/lib/terok/init'];

/** Capabilities that the init and the SSH server need; everything else is dropped. The agent's own processes have none. */
export const REQUIRED_CAPABILITIES: readonly string[] = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'SETUID', 'SETGID', 'SYS_CHROOT', 'KILL'];

/** PATH of every command that brings none of its own. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Names of the environment variables that carry a command which is too long for one SSH request. */
export const SCRIPT_VARIABLE = 'TEROK_SCRIPT_';

const SSHD_CONFIG = `HostKey /etc/terok/ssh_host_key
AuthorizedKeysFile /etc/terok/authorized_keys
StrictModes yes
AuthenticationMethods publickey
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PermitEmptyPasswords no
HostbasedAuthentication no
AllowUsers agent root
UsePAM no
UseDNS no
LoginGraceTime 0
MaxAuthTries 6
MaxSessions 1000
AcceptEnv ${SCRIPT_VARIABLE}*
SetEnv PATH=${DEFAULT_PATH} SHELL=/bin/bash
PermitUserEnvironment no
PermitUserRC no
PermitTTY yes
PrintMotd no
PrintLastLog no
Banner none
AllowTcpForwarding local
PermitOpen 127.0.0.1:* [::1]:*
PermitListen none
GatewayPorts no
AllowStreamLocalForwarding no
AllowAgentForwarding no
X11Forwarding no
PermitTunnel no
Compression no
TCPKeepAlive no
ClientAliveInterval 0
RekeyLimit 64G none
KexAlgorithms curve25519-sha256
HostKeyAlgorithms ssh-ed25519
PubkeyAcceptedAlgorithms ssh-ed25519
Ciphers aes128-gcm@openssh.com
PidFile none
LogLevel ERROR
`;

/** The files that must be in a bottle before its first process starts; with `proof` also the word that shows the gateway who dials. */
export function channelSeeds(identity: ChannelIdentity, { proof = false }: { readonly proof?: boolean } = {}): readonly SeedFile[] {
  const seed = (path: string, mode: number, content: string): SeedFile => ({ path, content, mode, owner: 'root' });
  return [
    seed('/usr/lib/terok/init', 0o755, INIT_SCRIPT),
    seed('/etc/terok/sshd_config', 0o644, SSHD_CONFIG),
    seed('/etc/terok/ssh_host_key', 0o600, identity.host.privateKey),
    seed('/etc/terok/authorized_keys', 0o644, `${identity.client.publicKey}\n`),
    ...(proof ? [seed(CONTROL_PROOF_FILE, 0o600, controlProof(identity))] : []),
  ];
}
