import type { BottleProcess, TerminalSize } from '../../core/index.ts';

/** Size of a terminal, with the usual one where it is unknown. */
export function terminalSize(stream: NodeJS.WriteStream): TerminalSize {
  return { columns: stream.columns || 80, rows: stream.rows || 24 };
}

/** Gives this terminal's keys and size changes to a process in a bottle, until the returned function is called. */
export function connectTerminal(child: BottleProcess, stdin: NodeJS.ReadStream, stdout: NodeJS.WriteStream): () => void {
  const resize = (): void => child.resize(terminalSize(stdout));
  const ignoreClosed = (): void => undefined;
  child.stdin.on('error', ignoreClosed);
  stdout.on('resize', resize);
  resize();
  stdin.setRawMode(true);
  stdin.pipe(child.stdin);
  return () => {
    stdin.unpipe(child.stdin);
    stdin.setRawMode(false);
    stdin.pause();
    stdout.off('resize', resize);
  };
}
