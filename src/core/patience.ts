const MOST = 30;

/**
 * A deadline, or a pause between two looks, for this machine: `TEROK_PATIENCE=10` makes each ten times as long, for machines that are emulated.
 * At least 1, at most 30; anything else counts as 1.
 */
export function patient(milliseconds: number, env: NodeJS.ProcessEnv = process.env): number {
  const factor = Number(env.TEROK_PATIENCE ?? 1);
  return milliseconds * (Number.isFinite(factor) && factor > 1 ? Math.min(factor, MOST) : 1);
}
