import path from 'node:path';

/** The two directories of one bottle, see `bottleDirs`. */
export interface NetworkDirs {
  readonly stateDir: string;
  readonly runtimeDir: string;
}

/** Every file of one sealed network. Records and scripts live in the state directory, sockets in the runtime directory. */
export interface NetworkFiles {
  readonly plan: string;
  readonly audit: string;
  /** Totals of the budgets of routes */
  readonly budgets: string;
  /** Data that a person allowed to leave, for the life of the bottle */
  readonly answers: string;
  /** Directory of the records below; removed when the network is closed */
  readonly dir: string;
  readonly lock: string;
  readonly holder: string;
  readonly keeper: string;
  readonly process: string;
  readonly failure: string;
  readonly log: string;
  readonly holderScript: string;
  readonly keeperScript: string;
  readonly namespace: string;
  readonly controlSocket: string;
  readonly execSocket: string;
}

export function networkFiles({ stateDir, runtimeDir }: NetworkDirs): NetworkFiles {
  const dir = path.join(stateDir, 'network');
  return {
    plan: path.join(stateDir, 'gateway.json'),
    audit: path.join(stateDir, 'audit.jsonl'),
    budgets: path.join(stateDir, 'egress-budgets.json'),
    answers: path.join(stateDir, 'egress-answers.json'),
    dir,
    lock: path.join(stateDir, 'network.lock'),
    holder: path.join(dir, 'holder.json'),
    keeper: path.join(dir, 'keeper.json'),
    process: path.join(dir, 'gateway-process.json'),
    failure: path.join(dir, 'failure.json'),
    log: path.join(dir, 'gateway.log'),
    holderScript: path.join(dir, 'holder.sh'),
    keeperScript: path.join(dir, 'keeper.sh'),
    namespace: path.join(runtimeDir, 'netns'),
    controlSocket: path.join(runtimeDir, 'gateway.sock'),
    execSocket: path.join(runtimeDir, 'exec.sock'),
  };
}
