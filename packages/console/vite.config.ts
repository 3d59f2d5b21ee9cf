import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'
import { contentSecurityPolicy } from './content-security-policy.ts'

/** Puts the policy into the built pages. Not while developing: the development server has scripts of its own. */
const pagePolicy: Plugin = {
  name: 'page-policy',
  apply: 'build',
  transformIndexHtml: () => [
    {
      tag: 'meta',
      attrs: { 'http-equiv': 'Content-Security-Policy', content: contentSecurityPolicy },
      injectTo: 'head-prepend',
    },
  ],
}

/**
 * The web apps of Sluice: one HTML entry each, shared parts in common chunks. Everything is built
 * into hashed files beside the pages, so that a page needs nothing but its own origin.
 */
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  plugins: [react(), pagePolicy],
  build: {
    outDir: 'dist',
    target: 'es2023',
    // Every browser that has es2023 preloads modules by itself.
    modulePreload: { polyfill: false },
    // A hashed file for everything: `data:` stays the exception.
    assetsInlineLimit: 0,
    // Over loopback and from disk, one file of a megabyte is no reason for a warning.
    chunkSizeWarningLimit: 2000,
    reportCompressedSize: false,
    rolldownOptions: { input: { center: 'center.html' } },
  },
})
