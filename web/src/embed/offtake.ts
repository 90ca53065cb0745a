/** The elements for anybody's page, in one script. */
export { DownloadsElement } from "../elements/downloads";
export { ExportBannerElement } from "./export-banner";
export { ExportButtonElement } from "./export-button";
