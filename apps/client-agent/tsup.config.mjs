export { bundle as default } from '@carmine/repo-tools/bundle';
