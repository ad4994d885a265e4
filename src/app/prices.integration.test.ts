import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readPrices } from './prices.js';

describe('readPrices', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'berth-prices-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function read(text: string) {
    const file = path.join(folder, 'prices.json');
    await writeFile(file, text);
    return readPrices(file);
  }

  it('takes the file where there is one, and Berth’s own list without', async () => {
    const models = { 'model-of-ours': { input: 1, output: 2 } };
    const list = await read(JSON.stringify({ name: 'ours', date: '2026-10-01', models }));
    expect([list.label, list.find('model-of-ours')?.output]).toEqual(['ours 2026-10-01', 2000]);
    expect((await readPrices(undefined)).name).toBe('built-in');
  });

  it.each([['not json'], ['{"name": "ours"}']])('stops the start at %s', async (text) => {
    await expect(read(text)).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining('BERTH_PRICES_FILE') as string,
    });
    await expect(readPrices(path.join(folder, 'none'))).rejects.toMatchObject({ code: 'config-invalid' });
  });
});
