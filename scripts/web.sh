#!/usr/bin/env bash
# Builds the console into web/dist, from where it gets into the binary. Does nothing if it is built from these sources.
# Without Node there is no console, and the binary says so at its root.
set -euo pipefail
cd "$(dirname "$0")/../web"

command -v npm >/dev/null || { echo "Node.js with npm is needed for the console: apt-get install nodejs npm" >&2; exit 1; }

# A stamp holds what was built; it is written last, so a broken build is repeated.
wanted=$(find src scripts index.html package.json package-lock.json tsconfig.json vite.config.ts vite.embed.config.ts -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1)
if [ -f dist/.stamp ] && [ "$(cat dist/.stamp)" = "$wanted" ] && [ -d node_modules/playwright-core ]; then exit 0; fi

npm ci --silent --no-audit --no-fund --no-update-notifier --ignore-scripts
npm run --silent build >/dev/null
echo "$wanted" >dist/.stamp
