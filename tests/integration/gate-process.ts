import { spawn } from 'node:child_process';

export interface RunningGate extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  kill(): void;
}

/** The gate in a process of its own. */
export async function startGate(
  imported: { readonly repository: string; readonly writableRef: string },
  slug: string,
): Promise<RunningGate> {
  const program = `
    import http from 'node:http';
    import { handleGateRequest } from ${JSON.stringify(new URL('../../src/sidecars/git-gate/index.ts', import.meta.url).href)};
    const gate = JSON.parse(process.argv[1]);
    const server = http.createServer((request, response) => void handleGateRequest(request, response, gate));
    server.listen(0, '127.0.0.1', () => console.log(server.address().port));
  `;
  const gate = JSON.stringify({ repository: imported.repository, writableRef: imported.writableRef, slug });
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program, gate], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise<string>((resolve) => child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString('utf8').trim())));
  const ended = new Promise((resolve) => child.once('close', resolve));
  const kill = (): void => void child.kill('SIGKILL');
  return {
    url: `http://127.0.0.1:${port}/repo.git`,
    pid: child.pid ?? 0,
    kill,
    async [Symbol.asyncDispose]() {
      kill();
      await ended;
    },
  };
}
