-- What data/clinic.db holds: patients to try the clinic with, none of them real. To make it anew:
--   rm flows/clinic/data/clinic.db; sqlite3 flows/clinic/data/clinic.db < flows/clinic/data/clinic.sql
create table patients (patient text primary key, born text not null);
create table appointments (
  slot integer primary key, patient text not null references patients, day text not null, time text not null,
  state text not null default 'planned' check (state in ('planned', 'confirmed', 'cancelled'))
);
create table prescriptions (
  label text primary key, patient text not null references patients, repeats integer not null
);
create table refills (patient text not null references patients, label text not null, asked text not null);

insert into patients values ('P2001', '1984-05-12'), ('P2002', '1957-11-30'), ('P2003', '1991-02-03');
insert into appointments (slot, patient, day, time) values
  (5501, 'P2001', '2036-05-12', '10:30'),
  (5502, 'P2002', '2036-05-13', '15:00');
insert into prescriptions values ('440021', 'P2001', 2), ('440039', 'P2002', 0);
