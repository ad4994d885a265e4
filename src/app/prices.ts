import { readFile } from 'node:fs/promises';
import { BerthError, messageOf } from '../kernel/index.js';
import { PriceList } from '../usage/index.js';

/** The prices of models: Berth's own list, with what a file (`BERTH_PRICES_FILE`) says of it. Throws `config-invalid`: with wrong prices, budgets would be wrong and nobody would see it. */
export async function readPrices(file: string | undefined): Promise<PriceList> {
  if (file === undefined) return PriceList.builtIn();
  try {
    return PriceList.with(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    throw new BerthError(
      'config-invalid',
      `Berth cannot start: BERTH_PRICES_FILE does not name a readable price list (src/usage/README.md says how one looks): ${messageOf(error)}`,
      { cause: error },
    );
  }
}
