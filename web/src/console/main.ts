/** The console begins here. */
import "./console";
