// Carries steps out, in a bottle or, as the control, outside of it. Standard input: steps as JSON; prints one outcome for each.
import { text } from 'node:stream/consumers';
import { runStep, type Step } from './steps.ts';

const steps = JSON.parse(await text(process.stdin)) as readonly Step[];
const outcomes = await Promise.all(steps.map(runStep));
process.stdout.write(JSON.stringify(outcomes), () => process.exit(0));
