#!/usr/bin/env node
import { launch } from '../../../packages/repo-tools/launch.mjs';

launch(import.meta.url);
