// `node tests/lab/build.ts`: builds what is missing of the lab, except for the images of bottles, so that a later run starts at once.
import { buildLab } from './build-lab.ts';
import { modulesDisk } from './checkout.ts';
import { endWithSignal } from './end-with-signal.ts';
import { whyNoLab } from './programs.ts';

const reason = await whyNoLab();
if (reason === undefined) {
  const work = { onStep: (message: string): void => console.log(`lab: ${message}`), signal: endWithSignal() };
  await buildLab(work);
  await modulesDisk(work.signal);
} else {
  console.log(`no lab: ${reason}`);
}
