// Asks for one credential as a gateway does. argv: the directory of the vault, the name of the secret. Prints the value.
import { Credentials } from '../../../src/vault/index.ts';

const [dir = '', name = ''] = process.argv.slice(2);
process.stdout.write(await new Credentials({ dir }).value(name));
