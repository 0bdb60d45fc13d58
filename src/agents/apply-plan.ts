import { type Bottle, type ExecResult, patient, TerokError } from '../core/index.ts';
import type { AgentPlan, PlannedFile } from './plan-agent.ts';

/** Writes standard input to `$1` with mode `$2`, atomically and without following a link in the last place. */
const WRITE_FILE = 'umask 077; mkdir -p -- "$(dirname -- "$1")" && cat > "$1.new" && chmod -- "$2" "$1.new" && mv -fT -- "$1.new" "$1"';

const STEP_TIMEOUT_MS = patient(30_000);

/** Makes the directories and files of a plan in the bottle and checks that the agent is there. Idempotent. */
export async function applyAgentPlan(bottle: Bottle, plan: AgentPlan, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
  const call = { timeoutMs: STEP_TIMEOUT_MS, ...(options.signal === undefined ? {} : { signal: options.signal }) };
  if (plan.dirs.length > 0) assertDone(await bottle.exec(['mkdir', '-p', '--', ...plan.dirs], call), plan, 'make its directories');
  await Promise.all(
    plan.files.map(async (file) =>
      assertDone(await bottle.exec(writeCommand(file), { ...call, input: file.content }), plan, `write \`${file.path}\``),
    ),
  );
  await Promise.all(
    plan.verify.map(async (argv) =>
      assertDone(await bottle.exec(argv, { ...call, env: plan.env }), plan, `run \`${argv.join(' ')}\``, true),
    ),
  );
}

function writeCommand({ path, mode }: PlannedFile): string[] {
  return ['sh', '-c', WRITE_FILE, 'sh', path, mode.toString(8).padStart(4, '0')];
}

function assertDone({ status, stderr }: ExecResult, plan: AgentPlan, what: string, isVerification = false): void {
  if (status.kind === 'exited' && status.code === 0) return;
  const how = status.kind === 'exited' ? `ended with ${status.code}` : status.kind;
  const tail = stderr.toString('utf8').trim().slice(-500);
  throw new TerokError(
    isVerification ? 'IMAGE_UNAVAILABLE' : 'RUNTIME_FAILED',
    `\`${plan.agent}\` cannot be set up: could not ${what} in the bottle (${how})${tail === '' ? '.' : `: ${tail}`}`,
    {
      context: { agent: plan.agent, status },
      ...(isVerification ? { hint: `Build an image with the agent: \`terok image build ${plan.agent}\`.` } : {}),
    },
  );
}
