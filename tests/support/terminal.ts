// A real terminal for programs that want one: a tmux server of its own, whose screen is read and whose keys are pressed.
import { setTimeout as delay } from 'node:timers/promises';
import { run, runOrThrow } from '../../src/core/index.ts';

export interface Terminal extends AsyncDisposable {
  /** What is on the screen, without trailing spaces */
  screen(): Promise<string>;
  type(text: string): Promise<void>;
  /** Names of tmux, such as `Enter` and `C-c` */
  press(...keys: string[]): Promise<void>;
  resize(columns: number, rows: number): Promise<void>;
  /** Waits until the screen shows a text, and returns the screen */
  shows(pattern: RegExp, timeoutMs?: number): Promise<string>;
  /** Closes the window, as a person does with the mouse */
  close(): Promise<void>;
}

/** Undefined where terminals can be made, otherwise the reason why not. */
export async function whyNoTerminal(): Promise<string | undefined> {
  return (await run(['sh', '-c', 'command -v tmux'])).exitCode === 0 ? undefined : 'tmux is not installed';
}

/** A shell on a terminal of 100 × 30. */
export async function openTerminal(options: { readonly env: NodeJS.ProcessEnv; readonly cwd: string }): Promise<Terminal> {
  const server = `terok-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  const env = { ...options.env, HISTFILE: '/dev/null' };
  const tmux = (...args: string[]): Promise<unknown> => runOrThrow(['tmux', '-L', server, '-f', '/dev/null', ...args], { env });
  await tmux('new-session', '-d', '-x', '100', '-y', '30', '-c', options.cwd, 'bash --norc --noprofile');
  const screen = async (): Promise<string> => {
    const { stdout } = await run(['tmux', '-L', server, 'capture-pane', '-p', '-J', '-t', '0'], { env });
    return stdout.toString('utf8').replace(/ +$/gm, '').trimEnd();
  };
  return {
    screen,
    type: async (text) => void (await tmux('send-keys', '-t', '0', '-l', text)),
    press: async (...keys) => void (await tmux('send-keys', '-t', '0', ...keys)),
    resize: async (columns, rows) => void (await tmux('resize-window', '-t', '0', '-x', String(columns), '-y', String(rows))),
    async shows(pattern, timeoutMs = 60_000) {
      const deadline = Date.now() + timeoutMs;
      for (;;) {
        const seen = await screen();
        if (pattern.test(seen)) return seen;
        if (Date.now() > deadline) throw new Error(`The screen did not show ${pattern} within ${timeoutMs} ms; it showed:\n${seen}`);
        await delay(50);
      }
    },
    close: async () => void (await tmux('kill-window', '-t', '0')),
    [Symbol.asyncDispose]: async () => void (await run(['tmux', '-L', server, 'kill-server'], { env })),
  };
}
