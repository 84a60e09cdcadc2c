mod check;
mod loads;
mod model;
mod random;
mod replay;
mod rig;
