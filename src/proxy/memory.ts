import v8 from 'node:v8';

// Imported before everything else, so that the other modules are loaded under it. The idle process takes 57 MB with it and 64 without, at the same
// speed (measured with Node 20.20, ten workspaces open).
v8.setFlagsFromString('--optimize-for-size');
