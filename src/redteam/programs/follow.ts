// Fetches an address and follows every redirect. Standard input: the URL as JSON; prints the last status.
import { text } from 'node:stream/consumers';

const response = await fetch(JSON.parse(await text(process.stdin)) as string, { redirect: 'follow' });
process.stdout.write(JSON.stringify(response.status), () => process.exit(0));
