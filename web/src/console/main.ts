/** The console begins here. */
import { direction, locale } from "../i18n";
import "./console";

document.documentElement.lang = locale;
document.documentElement.dir = direction;
