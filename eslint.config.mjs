import tseslint from 'typescript-eslint';

const processEnv = {
  object: 'process',
  property: 'env',
  message: 'Only config/ reads the environment; take what you need as an argument.',
};

export default tseslint.config(
  { ignores: ['dist/**', 'src/database/generated/**', 'coverage/**', '**/*.mjs', '.berth/**'] },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    // One program for all files. The service that editors use brings it up to date for each file, and a third of the computing was that.
    languageOptions: { parserOptions: { project: 'tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      'max-lines': ['error', { max: 400, skipBlankLines: false, skipComments: false }],
      'max-lines-per-function': ['error', { max: 80, skipBlankLines: true, skipComments: true }],
      complexity: ['error', 15],
      eqeqeq: 'error',
      'no-console': 'error',
      'no-restricted-properties': ['error', processEnv],
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/consistent-type-definitions': 'off',
      // Nest declares its option bags as classes, and everybody gives them as literals.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
    },
  },
  {
    files: ['src/config/**', 'test/**', 'bench/**', 'scripts/**', '*.config.ts'],
    rules: { 'no-restricted-properties': 'off' },
  },
  {
    files: ['src/cli/**', 'bench/**', 'scripts/**', 'test/emulators/main.ts'],
    rules: { 'no-console': 'off' },
  },
  { files: ['**/*.test.ts', 'bench/**', 'test/**'], rules: { 'max-lines-per-function': 'off' } },
);
